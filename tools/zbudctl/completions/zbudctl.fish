# SPDX-License-Identifier: GPL-2.0
#
# Completion of zbudctl(8) for fish. Its place is /usr/share/fish/vendor_completions.d/.

# The command after the options: "status", or "disk add".
function __zbudctl_is
    set -l commands
    for word in (commandline -opc)[2..]
        switch $word
            case '-*'
                continue
            case '*'
                set -a commands $word
        end
        if test $commands[1] != disk; or test (count $commands) -eq 2
            break
        end
    end
    test "$commands" = "$argv"
end

function __zbudctl_sysfs
    set -q ZBUDCTL_SYSFS; and echo $ZBUDCTL_SYSFS; or echo /sys
end

function __zbudctl_disks
    for dir in (__zbudctl_sysfs)/block/zbud*
        echo /dev/(basename $dir)
    end
end

function __zbudctl_nodes
    echo all
    for dir in (__zbudctl_sysfs)/devices/system/node/node*
        string replace node '' (basename $dir)
    end
end

complete -c zbudctl -f
complete -c zbudctl -l json -d 'Print JSON'
complete -c zbudctl -s h -l help -d 'Print the commands and options'
complete -c zbudctl -n __zbudctl_is -s V -l version -d 'Print the version'
complete -c zbudctl -n __zbudctl_is -a status -d 'Show the pools'
complete -c zbudctl -n __zbudctl_is -a migrate -d 'Move pages from nodes to nodes'
complete -c zbudctl -n __zbudctl_is -a mems -d 'Nodes on which pages may be placed'
complete -c zbudctl -n __zbudctl_is -a map -d 'Draw where pool pages are'
complete -c zbudctl -n __zbudctl_is -a verify -d 'Check the pools'
complete -c zbudctl -n __zbudctl_is -a hold -d 'Map the pages of all pools'
complete -c zbudctl -n __zbudctl_is -a disk -d 'Set up, show and remove disks'
complete -c zbudctl -n __zbudctl_is -a completions -d 'Print the completions of a shell'
complete -c zbudctl -n __zbudctl_is -a help -d 'Print the commands'

complete -c zbudctl -n '__zbudctl_is status' -l watch -d 'Repeat every SECONDS'
complete -c zbudctl -n '__zbudctl_is migrate' -a '(__zbudctl_nodes)'
complete -c zbudctl -n '__zbudctl_is mems' -a '(__zbudctl_nodes)'
complete -c zbudctl -n '__zbudctl_is mems' -l migrate -d 'Move the pages on other nodes'
complete -c zbudctl -n '__zbudctl_is mems' -x -l memory-migrate -a 'on off' -d 'Whether changes move pages'
complete -c zbudctl -n '__zbudctl_is map' -r -F -l before -d 'Draw also what a file has'
complete -c zbudctl -n '__zbudctl_is map' -l svg -d 'Print SVG'
complete -c zbudctl -n '__zbudctl_is hold' -l touch -d 'Touch pages that come later'
complete -c zbudctl -n '__zbudctl_is completions' -a 'bash zsh fish'

complete -c zbudctl -n '__zbudctl_is disk' -a add -d 'Set up a disk'
complete -c zbudctl -n '__zbudctl_is disk' -a list -d 'Show disks'
complete -c zbudctl -n '__zbudctl_is disk' -a remove -d 'Remove disks'
complete -c zbudctl -n '__zbudctl_is disk' -a reset -d 'Free all that disks hold'

complete -c zbudctl -n '__zbudctl_is disk add' -x -l algorithm -a 'lz4 lzo lzo-rle zstd' -d 'Compression algorithm'
complete -c zbudctl -n '__zbudctl_is disk add' -x -l level -d 'Level of the algorithm'
complete -c zbudctl -n '__zbudctl_is disk add' -x -l mems -a '(__zbudctl_nodes)' -d 'Nodes for its pages'
complete -c zbudctl -n '__zbudctl_is disk add' -x -l mem-limit -d 'Memory that it may take'
complete -c zbudctl -n '__zbudctl_is disk add' -l swap -d 'Swap to it'
complete -c zbudctl -n '__zbudctl_is disk add' -x -l priority -d 'Priority of the swap area'
complete -c zbudctl -n '__zbudctl_is disk add' -l discard -d 'Tell the disk which pages are free'
complete -c zbudctl -n '__zbudctl_is disk add' -r -F -l device-file -d 'Write the device to a file'

complete -c zbudctl -n '__zbudctl_is disk list' -a '(__zbudctl_disks)'
complete -c zbudctl -n '__zbudctl_is disk list' -s b -l bytes -d 'Print sizes in bytes'
complete -c zbudctl -n '__zbudctl_is disk list' -s n -l noheadings -d 'Print no header'
complete -c zbudctl -n '__zbudctl_is disk list' -x -s o -l output -d Columns \
    -a 'NAME DISKSIZE DATA COMPR ALGORITHM ZERO-PAGES TOTAL MEM-LIMIT MEM-USED MIGRATED MOUNTPOINT MEMS PAGES ZPAGES DENSITY NODES HUGE SAME LARGE EMPTY LOST'
complete -c zbudctl -n '__zbudctl_is disk list' -l output-all -d 'Print all columns'
complete -c zbudctl -n '__zbudctl_is disk list' -l raw -d 'One space between columns'

complete -c zbudctl -n '__zbudctl_is disk remove' -a '(__zbudctl_disks)'
complete -c zbudctl -n '__zbudctl_is disk remove' -l swapoff -d 'End swapping to them first'
complete -c zbudctl -n '__zbudctl_is disk remove' -r -F -l device-file -d 'The file of disk add'
complete -c zbudctl -n '__zbudctl_is disk reset' -a '(__zbudctl_disks)'
