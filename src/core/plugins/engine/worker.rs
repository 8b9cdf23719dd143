//! The worker process: reads frames from standard input, runs scripts, writes frames to standard output.
//!
//! One thread with a large stack does all the work. The main thread only watches it: should the server die while a
//! script runs for ever, nobody else would stop it.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use super::confine;
use super::error::CallError;
use super::examine;
use super::host::HostFunction;
use super::limits::{FRAME_BYTES_DEFAULT, Limits};
use super::machine::{Machine, STACK_BYTES};
use super::natives::Outside;
use super::protocol::{self, FromWorker, ToWorker};

/// How much longer than the server the worker itself waits before it gives up a call.
const WATCH_GRACE: Duration = Duration::from_secs(5);

/// The server closed the pipe.
const EXIT_DONE: i32 = 0;
/// The pipe broke or the server sent something unexpected.
const EXIT_PIPE: i32 = 3;
/// The script engine could not be set up.
const EXIT_SETUP: i32 = 4;
/// A call lasted too long and the server did nothing about it.
const EXIT_STUCK: i32 = 5;
/// The working thread panicked.
const EXIT_PANIC: i32 = 101;

/// What the working thread tells the watching one.
enum Progress {
    Begin(Duration),
    End,
    Exit(i32),
}

/// Runs the worker until the server closes its standard input, and returns the exit code of the process.
#[must_use]
pub fn run() -> i32 {
    if !confine::process() {
        return EXIT_SETUP;
    }
    let (progress, watch) = mpsc::channel();
    let spawned = thread::Builder::new().name("plugin".to_owned()).stack_size(STACK_BYTES).spawn(move || {
        let code = serve(&progress);
        // The watching thread is gone only if the process is ending already.
        let _ = progress.send(Progress::Exit(code));
    });
    if spawned.is_err() {
        return EXIT_SETUP;
    }
    let mut next = watch.recv();
    loop {
        next = match next {
            Ok(Progress::Exit(code)) => return code,
            Ok(Progress::Begin(limit)) => match watch.recv_timeout(limit) {
                Err(RecvTimeoutError::Timeout) => return EXIT_STUCK,
                Err(RecvTimeoutError::Disconnected) => return EXIT_PANIC,
                Ok(event) => Ok(event),
            },
            Ok(Progress::End) => watch.recv(),
            // The sender is dropped without a last word only by a panic.
            Err(_) => return EXIT_PANIC,
        };
    }
}

/// Answers frames one after the other.
fn serve(progress: &Sender<Progress>) -> i32 {
    let Ok(Some(ToWorker::Start { limits })) = protocol::read(&mut io::stdin(), FRAME_BYTES_DEFAULT) else {
        return EXIT_PIPE;
    };
    let Ok(mut machine) = Machine::new(limits, Box::new(Pipe { limits })) else {
        return EXIT_SETUP;
    };
    loop {
        let frame = match protocol::read(&mut io::stdin(), limits.frame_bytes) {
            Ok(Some(frame)) => frame,
            Ok(None) => return EXIT_DONE,
            Err(_) => return EXIT_PIPE,
        };
        confine::allow_cpu(limits.wall + WATCH_GRACE);
        let _ = progress.send(Progress::Begin(limits.wall + WATCH_GRACE));
        let answer = answer(&mut machine, frame);
        let _ = progress.send(Progress::End);
        let Some(answer) = answer else { continue };
        if write(&answer, limits.frame_bytes).is_err() {
            return EXIT_PIPE;
        }
    }
}

fn answer(machine: &mut Machine, frame: ToWorker) -> Option<FromWorker> {
    match frame {
        ToWorker::Inspect { kind, name, source } => {
            Some(FromWorker::Inspected { result: machine.inspect(kind, &name, &source) })
        }
        ToWorker::Examine { kind, name, source } => {
            Some(FromWorker::Examined { examined: examine::examine(machine, kind, &name, &source) })
        }
        ToWorker::Load { kind, hash, name, source } => {
            Some(FromWorker::Loaded { result: machine.load((kind, hash), &name, &source) })
        }
        ToWorker::Call { kind, hash, function, argument } => {
            let key = (kind, hash);
            if !machine.knows(&key) {
                return Some(FromWorker::Unknown);
            }
            Some(FromWorker::Returned { result: machine.call(&key, &function, &argument) })
        }
        ToWorker::Evict { hash } => {
            machine.evict(hash.as_deref());
            None
        }
        // Neither has a place here; the server's next read then times out and ends this worker.
        ToWorker::Start { .. } | ToWorker::HostAnswer { .. } => None,
    }
}

/// Writes an answer, or in place of one that is too long, that it is too long.
fn write(answer: &FromWorker, bytes_max: usize) -> io::Result<()> {
    let bytes = protocol::encode(answer, bytes_max).or_else(|why| {
        let result = Err(CallError::BadReturn(why));
        protocol::encode(&FromWorker::Returned { result }, bytes_max)
    });
    protocol::write(&mut io::stdout(), &bytes.map_err(io::Error::other)?)
}

/// The way to the server.
struct Pipe {
    limits: Limits,
}

impl Outside for Pipe {
    fn request(&mut self, function: HostFunction, arguments: Vec<String>) -> Result<String, String> {
        let bytes_max = self.limits.frame_bytes;
        let frame = protocol::encode(&FromWorker::Host { function, arguments }, bytes_max)
            .map_err(|why| format!("the arguments of the host function make {why}"))?;
        protocol::write(&mut io::stdout(), &frame).map_err(|error| error.to_string())?;
        match protocol::read(&mut io::stdin(), bytes_max) {
            Ok(Some(ToWorker::HostAnswer { result })) => result,
            _ => Err("the server did not answer".to_owned()),
        }
    }

    fn log(&mut self, level: &str, text: &str) {
        let frame = FromWorker::Log { level: level.to_owned(), text: text.to_owned() };
        // A log line that cannot be sent is not worth failing the call for.
        if let Ok(bytes) = protocol::encode(&frame, self.limits.frame_bytes) {
            let _ = protocol::write(&mut io::stdout(), &bytes);
        }
    }
}
