#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# zbm-test: release stock
# zbm-long: built
# zbm-guest: shared
#
# What goes to the disk comes back: real programs, random bytes that do not compress,
# blocks filled with one value, parts of blocks, blocks written twice, from memory that
# is aligned or not, at the end of the disk; blocks that were discarded, freed or never
# written are zeroes. A ramdisk (brd; a file where there is none) that goes through the same
# is what the whole disk is compared with. After each step the validator is content and
# the figures that the module tells in different places agree: there is a zpage for each
# block that is not filled with one value, and nothing for others.

. "$(dirname "$0")/lib.sh"
ktap_print_header

need_root
need_command python3 blkdiscard
load_module
data_mib=4
# Room for the data, for others, and for what is never written
mib=$((data_mib + 4))
make_disk "${mib}M"
scratch
at_exit '! grep -q "^brd " /proc/modules || modprobe -r brd'
if [ ! -e /dev/ram0 ] && modprobe brd rd_nr=1 rd_size=$((mib << 10)) 2>/dev/null; then
	MODEL=/dev/ram0
else
	MODEL=$SCRATCH/model
	truncate -s "${mib}M" "$MODEL"
fi
real_data "$SCRATCH/data" "$data_mib"
head -c 2M /dev/urandom >"$SCRATCH/random"
end=$((mib << 8))
blocks=$(blocks_of "$SCRATCH/data")
ktap_set_plan 62
ktap_print_msg "compared with $MODEL, compressed by $(algorithm)"

# both FUNCTION ARGUMENT...: the same to the disk and to the model.
both() { "$@" && DATA=$MODEL "$@"; }
# image: all that is on the disk, or the model.
image() { dd if="$DATA" bs=1M iflag=direct status=none; }

# agrees NAME BLOCKS: one test: contents, figures; so many blocks are stored.
agrees() {
	good() {
		local zpages
		# What has been read by the page cache is to be read from the pool again.
		blockdev --flushbufs "$DATA" && DATA=$MODEL image >"$SCRATCH/image" || return
		image | same_bytes - "$SCRATCH/image" && counters_add_up || return
		zpages=$(python3 "$TOOLS/blocks.py" "$SCRATCH/image")
		[ "$(counter zpages)" = "$zpages" ] || wrong_data "$(counter zpages) zpages, not $zpages" || return
		[ "$(mm_stat orig_data_size)" = $(($1 * BLOCK_SIZE)) ] ||
			wrong_data "$(($(mm_stat orig_data_size) / BLOCK_SIZE)) blocks are stored, not $1"
	}
	ktap_test_result "$1" good "$2"
}

agrees "zeroes at first, and nothing is stored" 0

# --- whole blocks ---

ktap_test_result "stores programs" both write_blocks "$SCRATCH/data"
agrees "they are on it" "$blocks"
is "there are pages" "$(counter pages)" -ge $((blocks / 2))
is "fewer than zpages" "$(counter pages)" -lt "$blocks"
is "stored_bytes is less than what went in" "$(counter stored_bytes)" -lt $((blocks * BLOCK_SIZE))
is "but not nothing" "$(counter stored_bytes)" -gt $((blocks * 256))
# The judge must be able to see a difference.
differ() { ! image | cmp -s - "$SCRATCH/image"; }
printf x | dd of="$SCRATCH/image" bs=1 seek=123456 conv=notrunc status=none
ktap_test_result "one other byte is found" differ

ktap_test_result "overwrites blocks with others" both write_blocks "$SCRATCH/data" 7 100 300
agrees "they are on it" "$blocks"
ktap_test_result "overwrites blocks with random bytes" both write_blocks "$SCRATCH/random" 500 0 64
agrees "they are on it" "$blocks"
raw_pages() { awk 'NR > 1 && $3 + $4 == 4096' "$POOL/pages" | wc -l; }
adds_up "and take whole pages" "$(raw_pages)" -ge 64
ktap_test_result "overwrites these with programs again" both write_blocks "$SCRATCH/data" 500 500 64
agrees "they are on it" "$blocks"

# Pieces that are no power of two, and one that is larger than a bio.
pieces() {
	dd if="$SCRATCH/random" of="$DATA" bs=2M oflag=direct conv=notrunc status=none &&
		dd if="$SCRATCH/data" of="$DATA" bs=$((BLOCK_SIZE * 7)) oflag=direct conv=notrunc status=none count=11
}
ktap_test_result "writes in pieces of 7 and of 512 blocks" both pieces
agrees "they are on it" "$blocks"

# --- blocks filled with one value ---

# filled BYTES: a block of these, over and over.
filled() { python3 -c "import sys; sys.stdout.buffer.write($1 * (4096 // len($1)))"; }
filled "b'\xff'" >"$SCRATCH/ff"
filled "b'8 bytes!'" >"$SCRATCH/eight"
# Not quite: another last word, another last byte, the same 8 bytes one byte further on.
{
	head -c 4088 "$SCRATCH/eight"
	printf '8 bytes?'
	head -c 4095 "$SCRATCH/ff"
	printf x
	printf x
	head -c 4095 "$SCRATCH/eight"
} >"$SCRATCH/not-quite"
same_filled() {
	write_blocks /dev/zero 100 0 40 && write_blocks "$SCRATCH/ff" 140 && write_blocks "$SCRATCH/ff" 142 &&
		write_blocks "$SCRATCH/eight" 143
}
ktap_test_result "overwrites blocks with zeroes, 0xff, and 8 bytes" both same_filled
agrees "these take no zpage" "$blocks"
is "they are counted" "$(mm_stat same_pages)" -eq 43
ktap_test_result "blocks that differ in the end, or by a byte" both write_blocks "$SCRATCH/not-quite" 144
agrees "have zpages" "$blocks"
is "and are not counted" "$(mm_stat same_pages)" -eq 43
ktap_test_result "overwrites two of one value with programs" both write_blocks "$SCRATCH/data" 142 0 2
agrees "they have zpages now" "$blocks"
is "and are not counted any more" "$(mm_stat same_pages)" -eq 41

# --- parts of blocks, by the page cache ---

# buffered DD-ARGUMENT...: and written back at once.
buffered() { dd "$@" of="$DATA" conv=notrunc,fsync status=none; }
ktap_test_result "parts: one byte" both buffered if="$SCRATCH/random" bs=1 count=1 seek=40961
ktap_test_result "parts: across a border" both buffered if="$SCRATCH/random" bs=5000 count=1 seek=3
ktap_test_result "parts: 10000 odd bytes, 7 at a time" both buffered if="$SCRATCH/data" bs=7 count=1428 seek=20000
agrees "they are on it" "$blocks"
ktap_test_result "parts of blocks that were not there" both buffered if="$SCRATCH/data" bs=999 count=9 oflag=seek_bytes seek=$((blocks * BLOCK_SIZE + 100))
agrees "the rest of them is zeroes" $((blocks + 3))
stored=$((blocks + 3))
odd_places() {
	local at
	for at in 1 4095 4097 1234567; do
		blockdev --flushbufs "$DATA" || return
		dd if="$DATA" bs=777 iflag=skip_bytes skip="$at" count=40 status=none | cmp - <(tail -c +$((at + 1)) "$SCRATCH/image" | head -c 31080) ||
			wrong_data || return
	done
}
ktap_test_result "reads at odd places" odd_places

# --- memory that is not aligned to pages ---

unaligned() { python3 "$TOOLS/unaligned.py" "$DATA" "$@"; }
ktap_test_result "writes from memory that is aligned to sectors" both unaligned "$SCRATCH/random" 200
agrees "it is on it" "$stored"

# --- blocks that are given back ---

# hole COMMAND...: done to the disk; the model gets zeroes there.
hole() { discard "$@" && DATA=$MODEL write_blocks /dev/zero "$1" 0 "$2"; }
ktap_test_result "discards blocks" hole 50 33
agrees "they are zeroes, and not stored" $((stored - 33))
ktap_test_result "discards one that is filled with one value, and holes" hole 80 30
agrees "the same" $((stored - 33 - 27))
stored=$((stored - 60))
zeroed() {
	blkdiscard -fqz --offset $((600 * BLOCK_SIZE)) --length $((100 * BLOCK_SIZE)) "$DATA" &&
		DATA=$MODEL write_blocks /dev/zero 600 0 100
}
ktap_test_result "writes zeroes, by blkdiscard -z" zeroed
agrees "they take nothing" $((stored - 100))
ktap_test_result "overwrites some of the holes" both write_blocks "$SCRATCH/data" 60 60 10
agrees "they are on it" $((stored - 90))
for every in 3 2; do
	DATA=$MODEL image >"$SCRATCH/image"
	was=$(mm_stat orig_data_size)
	ktap_test_result "free_every $every" put free_every $every
	is "frees one of $every" $(((was - $(mm_stat orig_data_size)) * every)) -gt $((was * 9 / 10))
	punched "$SCRATCH/image" $every
	DATA=$MODEL write_blocks "$SCRATCH/image"
	agrees "freed blocks are zeroes" $(($(mm_stat orig_data_size) / BLOCK_SIZE))
done
stored=$(($(mm_stat orig_data_size) / BLOCK_SIZE))

# --- the end of the disk ---

ktap_test_result "writes the last blocks" both write_blocks "$SCRATCH/data" $((end - 5)) 0 5
agrees "they are on it" $((stored + 5))
# The kernel cuts off what is beyond the end.
beyond() { ! dd if="$SCRATCH/random" of="$DATA" bs=$((BLOCK_SIZE * 4)) count=1 oflag=direct,seek_bytes seek=$(((end - 2) * BLOCK_SIZE)) conv=notrunc status=none 2>"$SCRATCH/said" && grep -q 'No space left' "$SCRATCH/said"; }
ktap_test_result "refuses what is beyond" beyond
DATA=$MODEL write_blocks "$SCRATCH/random" $((end - 2)) 0 2
agrees "and takes what is not" $((stored + 5))
is "nothing can be read at the end" "$(dd if="$DATA" bs=4K skip="$end" status=none | wc -c)" -eq 0
is "mem_used_max has seen more" "$(mm_stat mem_used_max)" -gt "$(mm_stat mem_used_total)"

# --- emptying ---

emptied() { drop_all && pool_is_empty && [ "$(mm_stat orig_data_size) $(mm_stat same_pages)" = "0 0" ]; }
ktap_test_result "a discard of all empties it" emptied
DATA=$MODEL write_blocks /dev/zero 0 0 "$end"
agrees "it is zeroes" 0
ktap_test_result "stores random bytes only" both write_blocks "$SCRATCH/random" 3
agrees "they are on it" 512
adds_up "nothing of it compresses: a page for each" "$(counter pages) $(mm_stat huge_pages) $(disk_file large_zpages)" = "512 512 512"
is "no I/O failed" "$(io_stat failed_reads) $(io_stat failed_writes) $(io_stat invalid_io)" = "0 0 0"
is "no allocation failed" "$(counter stats/alloc_failed)" -eq 0
ktap_finished
