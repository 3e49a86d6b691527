//! Disk images: their locks, how they are made, and the engines that move their bytes.
//!
//! A [`RawImage`] is an opened image. It gives a [`BlockBackend`], which moves bytes between the image and memory
//! with many requests in flight, and a [`Syncer`] for the end. Nothing here knows what a guest is: a request is
//! an offset, a length and the memory to use.
//!
//! `unsafe` is in two modules: the io_uring engine, and the one system call for the image lock.

#![deny(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

mod backend;
mod blocking;
mod create;
mod image;
mod lock;
mod slot;
mod uring;

pub use backend::{BlockBackend, Buffer, Completion, Memory, Request};
pub use create::{CreateError, create_raw};
pub use image::{ImageError, RawImage, SECTOR, Syncer};
pub use lock::{LockError, lock_exclusive, lock_shared};
