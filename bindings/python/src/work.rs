//! Long work: without the interpreter's lock, on a pool of threads, stopped by Ctrl-C.

use crate::error::raise;
use pixelrnn_converter::Error;
use pixelrnn_converter::progress::Progress;
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::{PyErr, PyResult, Python};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Time between two looks for a signal.
const LOOK: Duration = Duration::from_millis(50);

/// Stops work before its next image, batch or block.
#[derive(Debug, Default)]
pub(crate) struct Watch(AtomicBool);

impl Progress for &Watch {
    fn done(&self) {}

    fn check(&self) -> Result<(), Error> {
        if self.0.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
    }
}

/// The pool, with the process that made it: its threads do not live on in a fork, as of `multiprocessing`.
static POOL: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

fn pool() -> PyResult<Arc<ThreadPool>> {
    let mut kept = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    match &*kept {
        Some((owner, pool)) if *owner == process::id() => return Ok(Arc::clone(pool)),
        // Waiting for threads that are not there would never end.
        Some(_) => std::mem::forget(kept.take()),
        None => {}
    }
    let pool = ThreadPoolBuilder::new().thread_name(|n| format!("pixelrnn-{n}")).build();
    let pool = Arc::new(pool.map_err(|e| PyOSError::new_err(format!("cannot start threads: {e}")))?);
    *kept = Some((process::id(), Arc::clone(&pool)));
    Ok(pool)
}

/// The exception of a signal that has come, on the main thread.
fn signalled() -> Option<PyErr> {
    Python::attach(|py| {
        let checked = py.check_signals();
        checked.err()
    })
}

/// Does `work` on the pool while other threads of Python run. A signal, such as Ctrl-C, stops it.
///
/// # Errors
/// The exception of the work's error, or of the signal's handler.
pub(crate) fn run<T: Send>(py: Python<'_>, work: impl FnOnce(&Watch) -> Result<T, Error> + Send) -> PyResult<T> {
    let pool = pool()?;
    let watch = Watch::default();
    let mut signal: Option<PyErr> = None;
    let result = py.detach(|| {
        let watch = &watch;
        // Only the thread that called may run handlers of signals, so it waits and looks.
        pool.in_place_scope(|scope| {
            let (send, receive) = sync_channel(1);
            scope.spawn(move |_| {
                // Received unless this thread is unwinding.
                let _ = send.send(work(watch));
            });
            loop {
                match receive.recv_timeout(LOOK) {
                    Ok(result) => return Some(result),
                    Err(RecvTimeoutError::Disconnected) => return None,
                    Err(RecvTimeoutError::Timeout) if signal.is_some() => {}
                    Err(RecvTimeoutError::Timeout) => {
                        signal = signalled();
                        watch.0.store(signal.is_some(), Ordering::Relaxed);
                    }
                }
            }
        })
    });
    match (signal, result) {
        (Some(signal), _) => Err(signal),
        (None, Some(result)) => result.map_err(raise),
        // A panic of the work has already been passed on by the scope.
        (None, None) => Err(PyRuntimeError::new_err("the work gave no result: this is a bug")),
    }
}
