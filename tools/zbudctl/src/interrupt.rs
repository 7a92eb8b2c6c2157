// SPDX-License-Identifier: GPL-2.0

//! Signals that ask to stop, as something to wait for.

use crate::error::Error;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// From now on the signals do not end the process but are told here.
pub struct Interrupts(Receiver<()>);

impl Interrupts {
    /// Takes the signals over.
    ///
    /// # Errors
    ///
    /// `Os` when the kernel does not let it.
    pub fn new() -> Result<Self, Error> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT])
            .map_err(|error| Error::signals(&error))?;
        let (tell, told) = channel();
        thread::spawn(move || {
            for _ in signals.forever() {
                if tell.send(()).is_err() {
                    break;
                }
            }
        });
        Ok(Self(told))
    }

    /// Waits for a signal; says whether one came in time.
    pub fn wait(&self, time: Duration) -> bool {
        match self.0.recv_timeout(time) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            // The thread ends with the process only.
            Err(RecvTimeoutError::Disconnected) => true,
        }
    }
}
