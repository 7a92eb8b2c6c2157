# SPDX-License-Identifier: GPL-2.0
#
# For a kernel at hand, as any module:
#	make KDIR=/path/to/kernel/build [modules | modules_install | clean]
# For everything else `make` alone prints what there is. kbuild itself reads
# Kbuild, never this file.

# One of those that scripts/kernel/build knows; the tests have several by default.
kernel = $(or $(KERNEL),release)
IN_ROOT := scripts/in-root

ifdef KDIR
# A kernel built by clang wants its modules built by clang.
LLVM ?= $(if $(shell grep -s '^CONFIG_CC_IS_CLANG=y' $(KDIR)/include/config/auto.conf),1)
kbuild = $(MAKE) -C $(KDIR) M=$(CURDIR) $(if $(LLVM),LLVM=$(LLVM))

all modules:
	+$(kbuild) modules
modules_install:
	+$(kbuild) modules_install
clean:
	+$(kbuild) clean
else
all: help
modules modules_install:
	@echo 'make: say for which kernel: make KDIR=/lib/modules/$$(uname -r)/build $@' >&2; exit 2
# Build products in the checkout; the cache is a directory of its own.
clean:
	rm -rf target
	find . -name .git -prune -o \( -name '*.o' -o -name '*.ko' -o -name '*.mod' \
		-o -name '*.mod.c' -o -name '.*.cmd' -o -name bindings_generated.rs \) -exec rm -f {} +
	rm -f modules.order Module.symvers rust-project.json
endif

help:
	@echo 'make demo            show it: swap on zram and on zbud_movable, whose pages move;'
	@echo '                     KERNEL=release: zswap on zbud, zsmalloc and zbud_movable'
	@echo 'make picture         draw where pool pages lie before and after compaction: README'\''s picture'
	@echo 'make test            all tests, under 6.12 and the newest stock kernel; T="NAME..." for some,'
	@echo '                     KERNEL="..." for other kernels, MOVER=page_cache or movable_ops for one mover'
	@echo 'make test-long       what test leaves out: the other kernels and movers, more rounds of'
	@echo '                     the races; goes on after an interruption (FRESH=1: from the start)'
	@echo 'make test-mutants    change the sources in ways that a test must notice, see that it does; goes'
	@echo '                     on after an interruption; T="NAME..." for some, MINUTES=55 for a part'
	@echo 'make costs           what each mover costs, and zbud, in instructions'
	@echo 'make density         what it costs in density that zpages stay on their node'
	@echo 'make holds           how long the pool lock is held at most, by the size of the pool'
	@echo 'make contention      how often tasks wait for the locks of zswap'\''s allocators'
	@echo 'make growth          what a block and a move take, by the size of the pool'
	@echo 'make bench           compare all allocators under the same workloads: tables, plots, CSV; goes on'
	@echo '                     after an interruption; SEEDS=5, T="zswap disk/zram..." for some of them,'
	@echo '                     DOCUMENTS=1: put them into Documentation/bench'
	@echo 'make vm              a root shell in a guest that has the module loaded'
	@echo 'make others          other people'\''s tests on our disk and pool, beside zram and zsmalloc; goes on after an'
	@echo '                     interruption; T="stock/swap device..." for some of them, DOCUMENTS=1: put the'
	@echo '                     tables into Documentation/others.rst'
	@echo 'make lint            formatting and linters only'
	@echo 'make kernel          get the guest kernel ready, print its directory'
	@echo 'make module          build the module for it, print its directory'
	@echo '    KERNEL=... with demo, picture, test, vm, kernel, module: release (6.12, the default but for demo and picture), debug (KASAN, lockdep), kcsan (data races), built here;'
	@echo '                     stock, stock-7.2, stock-7.3: Debian'\''s unmodified kernels (the newest,'
	@echo '                     or ZBM_STOCK_VERSION=7.2.12); no-zsmalloc: 7.2 without zsmalloc; 7.3 without it: debug-7.3,'
	@echo '                     cfi-7.3 (kCFI and ThinLTO), modversions-7.3, built here'
	@echo 'make check-host      tell whether this host can have it, and what is missing for that'
	@echo 'make install         build it for this host with its own tools, and install it: module, zbudctl,'
	@echo '                     manual, unit; KVER=RELEASE for another kernel than the running one, TRY=1'
	@echo '                     for an untested one; PREFIX (/usr/local), DESTDIR (see scripts/host/install)'
	@echo 'make uninstall       remove all of that'
	@echo 'make deb             build the Debian packages zbud-movable-dkms and zbudctl, print their paths'
	@echo 'make zbudctl         build the command zbudctl, a static binary, print its path'
	@echo 'make zbudctl-install build it, install it, its manual, completions and the systemd unit'
	@echo '                     in PREFIX (/usr/local), under DESTDIR'
	@echo 'make htmldocs        the documentation as HTML, print its directory'
	@echo 'make rust-analyzer   write rust-project.json, for the module in an editor'
	@echo 'make KDIR=DIR        build the module for the kernel built in DIR, with the tools at hand'
	@echo 'make KDIR=DIR modules_install'
	@echo 'make clean           remove build products (the cache: rm -rf ~/.cache/zbud-movable)'

PREFIX ?= /usr/local

test_options = $(addprefix --kernel ,$(KERNEL)) $(addprefix --mover ,$(MOVER))

# The newest stock kernel by default: it need not be built.
demo:
	@$(IN_ROOT) scripts/demo --kernel $(or $(KERNEL),stock)

picture:
	@$(IN_ROOT) scripts/picture --kernel $(or $(KERNEL),stock)

test: $(if $(filter deb,$(T)),deb-roots) $(if $(filter others,$(T)),others-root)
	@$(IN_ROOT) scripts/test $(test_options) $(T)

test-long: $(if $(filter deb,$(or $(T),deb)),deb-roots) $(if $(filter others,$(or $(T),others)),others-root)
	@$(IN_ROOT) scripts/test --long $(test_options) $(T)

test-mutants:
	@$(IN_ROOT) scripts/mutants $(if $(MINUTES),--minutes $(MINUTES)) $(T)

costs:
	@$(IN_ROOT) scripts/costs

density:
	@$(IN_ROOT) scripts/density

holds:
	@$(IN_ROOT) scripts/holds

contention:
	@$(IN_ROOT) scripts/contention

growth:
	@$(IN_ROOT) scripts/growth

bench:
	@$(IN_ROOT) scripts/bench $(addprefix --seeds ,$(SEEDS)) $(if $(DOCUMENTS),--documents) $(T)

others: others-root
	@$(IN_ROOT) scripts/others $(if $(DOCUMENTS),--documents) $(T)

lint:
	@$(IN_ROOT) scripts/test layers spdx shell fmt clippy clippy-module sparse checkpatch

vm:
	@$(IN_ROOT) scripts/vm/shell $(kernel)

kernel:
	@$(IN_ROOT) scripts/kernel/build $(kernel)

module:
	@$(IN_ROOT) bash -c 'kernel=$$(scripts/kernel/build $(kernel)) && scripts/build-module "$$kernel"'

zbudctl:
	@$(IN_ROOT) scripts/build-zbudctl

htmldocs:
	@$(IN_ROOT) scripts/htmldocs

rust-analyzer:
	@$(IN_ROOT) scripts/rust-analyzer

# In a root of its own
deb:
	@ZBM_ROOT_NAME=deb $(IN_ROOT) scripts/deb/build

deb-roots:
	@for root in deb secure-boot; do ZBM_ROOT_NAME=$$root scripts/build-root >/dev/null || exit; done

others-root:
	@ZBM_ROOT_NAME=others scripts/build-root >/dev/null

# By the environment only: make hands a variable of its command line on to each make below,
# the kernel's included.
host = MAKEFLAGS= $(foreach v,KVER TRY DESTDIR PREFIX SOURCE RUSTC BINDGEN SIGN_KEY SIGN_CERT,$(v)='$($(v))') scripts/host/

check-host:
	@$(host)check

install:
	@$(host)install

uninstall:
	@$(host)uninstall

zbudctl-install:
	@bin=$$($(IN_ROOT) scripts/build-zbudctl) && $(host)install-zbudctl "$$bin"

.PHONY: all modules modules_install clean help demo picture test test-long test-mutants costs density holds contention growth bench others lint vm kernel module deb deb-roots others-root zbudctl zbudctl-install htmldocs \
	rust-analyzer check-host install uninstall
