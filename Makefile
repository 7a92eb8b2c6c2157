# SPDX-License-Identifier: GPL-2.0
#
# For a kernel at hand, as any module:
#	make KDIR=/path/to/kernel/build [modules | modules_install | clean]
# For everything else `make` alone prints what there is. kbuild itself reads
# Kbuild, never this file.

KERNEL ?= release
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
# What may lie in the checkout; the cache is a directory of its own.
clean:
	rm -rf target
	find . -name .git -prune -o \( -name '*.o' -o -name '*.ko' -o -name '*.mod' \
		-o -name '*.mod.c' -o -name '.*.cmd' -o -name bindings_generated.rs \) -exec rm -f {} +
	rm -f modules.order Module.symvers
endif

help:
	@echo 'make demo            show it: pool pages move between nodes, and holes close'
	@echo 'make test            all tests; T="NAME..." for some, KERNEL=debug under KASAN and lockdep'
	@echo 'make test-long       all tests, and those that take long, with more rounds'
	@echo 'make vm              a root shell in a guest that has the module loaded'
	@echo 'make lint            formatting and linters only'
	@echo 'make kernel          build the guest kernel (KERNEL=release or debug), print its directory'
	@echo 'make module          build the module for it, print its directory'
	@echo 'make KDIR=DIR        build the module for the kernel built in DIR, with the tools at hand'
	@echo 'make KDIR=DIR modules_install'
	@echo 'make clean           remove build products (the cache: rm -rf ~/.cache/zbud-movable)'

demo:
	@$(IN_ROOT) scripts/demo

test:
	@$(IN_ROOT) scripts/test --kernel $(KERNEL) $(T)

test-long:
	@$(IN_ROOT) scripts/test --long --kernel $(KERNEL) $(T)

lint:
	@$(IN_ROOT) scripts/test-host spdx shell fmt clippy clippy-module

vm:
	@$(IN_ROOT) scripts/vm/shell $(KERNEL)

kernel:
	@$(IN_ROOT) scripts/kernel/build $(KERNEL)

module:
	@$(IN_ROOT) bash -c 'kernel=$$(scripts/kernel/build $(KERNEL)) && scripts/module "$$kernel"'

.PHONY: all modules modules_install clean help demo test test-long lint vm kernel module
