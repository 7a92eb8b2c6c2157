// SPDX-License-Identifier: GPL-2.0

//! The algorithms that the kernel has, through its own libraries, and the streams in
//! which they run.
//!
//! The libraries have had the same interface from 6.12 to 7.3, and compress from buffer to
//! buffer; the crypto interface has not, and wants requests and scatterlists. zram, which
//! was ported to them in 6.12, uses them as well.

#[cfg(all(CONFIG_LZ4_COMPRESS, CONFIG_LZ4_DECOMPRESS))]
use super::lz4;
#[cfg(all(CONFIG_LZO_COMPRESS, CONFIG_LZO_DECOMPRESS))]
use super::lzo;
#[cfg(all(CONFIG_ZSTD_COMPRESS, CONFIG_ZSTD_DECOMPRESS))]
use super::zstd;
use crate::linux::task;
use crate::zbud::PAGE_SIZE;
use kernel::prelude::*;
use kernel::sync::lock::{mutex::MutexBackend, Guard};
use kernel::sync::{new_mutex, Mutex};

/// An algorithm that the kernel has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    #[cfg(all(CONFIG_LZ4_COMPRESS, CONFIG_LZ4_DECOMPRESS))]
    Lz4,
    #[cfg(all(CONFIG_LZO_COMPRESS, CONFIG_LZO_DECOMPRESS))]
    LzoRle,
    #[cfg(all(CONFIG_LZO_COMPRESS, CONFIG_LZO_DECOMPRESS))]
    Lzo,
    #[cfg(all(CONFIG_ZSTD_COMPRESS, CONFIG_ZSTD_DECOMPRESS))]
    Zstd,
}

impl Algorithm {
    /// All, the one to begin with first.
    pub(super) const ALL: &'static [Self] = &[
        #[cfg(all(CONFIG_LZ4_COMPRESS, CONFIG_LZ4_DECOMPRESS))]
        Self::Lz4,
        #[cfg(all(CONFIG_LZO_COMPRESS, CONFIG_LZO_DECOMPRESS))]
        Self::LzoRle,
        #[cfg(all(CONFIG_LZO_COMPRESS, CONFIG_LZO_DECOMPRESS))]
        Self::Lzo,
        #[cfg(all(CONFIG_ZSTD_COMPRESS, CONFIG_ZSTD_DECOMPRESS))]
        Self::Zstd,
    ];

    /// As zram names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            #[cfg(all(CONFIG_LZ4_COMPRESS, CONFIG_LZ4_DECOMPRESS))]
            Self::Lz4 => "lz4",
            #[cfg(all(CONFIG_LZO_COMPRESS, CONFIG_LZO_DECOMPRESS))]
            Self::LzoRle => "lzo-rle",
            #[cfg(all(CONFIG_LZO_COMPRESS, CONFIG_LZO_DECOMPRESS))]
            Self::Lzo => "lzo",
            #[cfg(all(CONFIG_ZSTD_COMPRESS, CONFIG_ZSTD_DECOMPRESS))]
            Self::Zstd => "zstd",
        }
    }

    /// # Errors
    ///
    /// `EINVAL` when the kernel has none of that name.
    pub(super) fn named(name: &str) -> Result<Self> {
        let mut all = Self::ALL.iter();
        all.find(|one| one.name() == name).copied().ok_or(EINVAL)
    }
}

/// An algorithm, and its level if it is not to be the default.
#[derive(Clone, Copy)]
pub(crate) struct Choice {
    pub(super) algorithm: Algorithm,
    level: Option<i32>,
}

impl Choice {
    /// The default.
    ///
    /// # Errors
    ///
    /// `ENOENT` when the kernel has no algorithm.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            algorithm: *Algorithm::ALL.first().ok_or(ENOENT)?,
            level: None,
        })
    }

    /// `algorithm` at its default level.
    pub(super) fn of(algorithm: Algorithm) -> Self {
        Self {
            algorithm,
            level: None,
        }
    }

    /// # Errors
    ///
    /// `EINVAL` when the algorithm does not have that level.
    pub(super) fn with_level(self, level: i32) -> Result<Self> {
        let has = match self.algorithm {
            #[cfg(all(CONFIG_LZ4_COMPRESS, CONFIG_LZ4_DECOMPRESS))]
            Algorithm::Lz4 => (lz4::DEFAULT_LEVEL..=lz4::MAX_LEVEL).contains(&level),
            #[cfg(all(CONFIG_LZO_COMPRESS, CONFIG_LZO_DECOMPRESS))]
            Algorithm::Lzo | Algorithm::LzoRle => false,
            #[cfg(all(CONFIG_ZSTD_COMPRESS, CONFIG_ZSTD_DECOMPRESS))]
            Algorithm::Zstd => zstd::has_level(level),
        };
        if !has {
            return Err(EINVAL);
        }
        Ok(Self {
            level: Some(level),
            ..self
        })
    }

    fn codec(self) -> Result<Codec> {
        Ok(match self.algorithm {
            #[cfg(all(CONFIG_LZ4_COMPRESS, CONFIG_LZ4_DECOMPRESS))]
            Algorithm::Lz4 => Codec::Lz4(lz4::Lz4::new(self.level.unwrap_or(lz4::DEFAULT_LEVEL))?),
            #[cfg(all(CONFIG_LZO_COMPRESS, CONFIG_LZO_DECOMPRESS))]
            Algorithm::LzoRle => Codec::Lzo(lzo::Lzo::new(true)?),
            #[cfg(all(CONFIG_LZO_COMPRESS, CONFIG_LZO_DECOMPRESS))]
            Algorithm::Lzo => Codec::Lzo(lzo::Lzo::new(false)?),
            #[cfg(all(CONFIG_ZSTD_COMPRESS, CONFIG_ZSTD_DECOMPRESS))]
            Algorithm::Zstd => {
                let level = self.level.unwrap_or_else(zstd::default_level);
                Codec::Zstd(zstd::Zstd::new(level)?)
            }
        })
    }
}

/// An algorithm with its working memory.
enum Codec {
    #[cfg(all(CONFIG_LZ4_COMPRESS, CONFIG_LZ4_DECOMPRESS))]
    Lz4(lz4::Lz4),
    #[cfg(all(CONFIG_LZO_COMPRESS, CONFIG_LZO_DECOMPRESS))]
    Lzo(lzo::Lzo),
    #[cfg(all(CONFIG_ZSTD_COMPRESS, CONFIG_ZSTD_DECOMPRESS))]
    Zstd(zstd::Zstd),
}

/// What one task at a time needs to compress or decompress.
pub(crate) struct Stream {
    codec: Codec,
    /// What a page becomes, which may be more than a page.
    buffer: KVVec<u8>,
}

impl Stream {
    fn new(choice: Choice) -> Result<Self> {
        Ok(Self {
            codec: choice.codec()?,
            // With that much room LZ4 does not check where it writes, which is faster.
            // As in the codecs no warning: whoever gives a disk its size hears of it.
            buffer: KVVec::from_elem(0, 2 * PAGE_SIZE, GFP_KERNEL | __GFP_NOWARN)?,
        })
    }

    /// Compresses a page. Others may write to it meanwhile: then the result is nothing that
    /// can be decompressed, perhaps, but there is one.
    ///
    /// # Errors
    ///
    /// `EIO`.
    ///
    /// # Safety
    ///
    /// `page` may be read.
    pub(crate) unsafe fn compress(&mut self, page: *const u8) -> Result<&[u8]> {
        let to = &mut self.buffer;
        // SAFETY: By the safety requirements, for each.
        let len = unsafe {
            match &mut self.codec {
                #[cfg(all(CONFIG_LZ4_COMPRESS, CONFIG_LZ4_DECOMPRESS))]
                Codec::Lz4(codec) => codec.compress(page, to),
                #[cfg(all(CONFIG_LZO_COMPRESS, CONFIG_LZO_DECOMPRESS))]
                Codec::Lzo(codec) => codec.compress(page, to),
                #[cfg(all(CONFIG_ZSTD_COMPRESS, CONFIG_ZSTD_DECOMPRESS))]
                Codec::Zstd(codec) => codec.compress(page, to),
            }
        }?;
        self.buffer.get(..len).ok_or(EIO)
    }
}

/// Streams, which processors share if there are fewer.
pub(crate) struct Streams {
    algorithm: Algorithm,
    streams: KVec<Pin<KBox<Mutex<Stream>>>>,
}

impl Streams {
    /// `count` streams. May sleep; nothing is allocated later.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(choice: Choice, count: usize) -> Result<Self> {
        let mut streams = KVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            let stream = new_mutex!(Stream::new(choice)?, "zbud_movable::Stream");
            streams.push(KBox::pin_init(stream, GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(Self {
            algorithm: choice.algorithm,
            streams,
        })
    }

    /// That of this processor. Sleeps while another task has it.
    ///
    /// # Errors
    ///
    /// `EIO` when there is none.
    pub(crate) fn get(&self) -> Result<Guard<'_, Stream, MutexBackend>> {
        let index = task::cpu().checked_rem(self.streams.len());
        let stream = index.and_then(|index| self.streams.get(index));
        Ok(stream.ok_or(EIO)?.lock())
    }

    /// Decompresses to a page. May sleep.
    ///
    /// # Errors
    ///
    /// `EIO` when `bytes` is not what became of a page.
    ///
    /// # Safety
    ///
    /// `page` may be written.
    pub(crate) unsafe fn decompress(&self, bytes: &[u8], page: *mut u8) -> Result {
        match self.algorithm {
            #[cfg(all(CONFIG_LZ4_COMPRESS, CONFIG_LZ4_DECOMPRESS))]
            // SAFETY: By the safety requirements.
            Algorithm::Lz4 => unsafe { lz4::decompress(bytes, page) },
            #[cfg(all(CONFIG_LZO_COMPRESS, CONFIG_LZO_DECOMPRESS))]
            // SAFETY: By the safety requirements.
            Algorithm::Lzo | Algorithm::LzoRle => unsafe { lzo::decompress(bytes, page) },
            #[cfg(all(CONFIG_ZSTD_COMPRESS, CONFIG_ZSTD_DECOMPRESS))]
            Algorithm::Zstd => match &mut self.get()?.codec {
                // SAFETY: By the safety requirements.
                Codec::Zstd(codec) => unsafe { codec.decompress(bytes, page) },
                _ => Err(EIO),
            },
        }
    }
}
