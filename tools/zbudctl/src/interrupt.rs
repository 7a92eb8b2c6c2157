// SPDX-License-Identifier: GPL-2.0

//! Waiting for signals that ask the program to stop.

use crate::error::Error;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Receives the signals: once it exists, they do not end the process.
pub struct Interrupts(Receiver<()>);

impl Interrupts {
    /// Handles the signals from now on.
    ///
    /// # Errors
    ///
    /// `Os` if the kernel refuses.
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

    /// Whether a signal has come.
    pub fn arrived(&self) -> bool {
        self.wait(Duration::ZERO)
    }

    /// Waits for a signal; returns whether one came in time.
    pub fn wait(&self, time: Duration) -> bool {
        match self.0.recv_timeout(time) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            // The thread ends only with the process.
            Err(RecvTimeoutError::Disconnected) => true,
        }
    }
}
