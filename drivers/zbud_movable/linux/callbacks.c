// SPDX-License-Identifier: GPL-2.0
/*
 * Callbacks that get an enum, for which Rust has an integer. Where the type of each function is
 * checked that is called through a pointer (kCFI), these are two types, and the kernel would
 * stop. So the kernel has these functions, and each calls one in Rust. See helpers.h.
 */
#include <linux/fs.h>
#include <linux/migrate.h>

#include "helpers.h"

int zbm_migrate_page(struct page *dst, struct page *src, enum migrate_mode mode)
{
	return zbud_movable_migrate_page(dst, src, mode);
}

int zbm_migrate_folio(struct address_space *mapping, struct folio *dst, struct folio *src,
		      enum migrate_mode mode)
{
	return zbud_movable_migrate_folio(mapping, dst, src, mode);
}

#ifdef CONFIG_ZPOOL
void *zbm_zpool_map(void *pool, unsigned long handle, enum zpool_mapmode mode)
{
	return zbud_movable_zpool_map(pool, handle, mode);
}
#endif
