//! What the operating system holds a worker to, in case the engine's own limits miss something: natives of Rune that
//! count nothing, a stack that grows, an escape from the virtual machine.
//!
//! All of it is set by the worker itself before it reads its first frame, and can't be raised again by what comes later.

use std::time::Duration;

/// Takes from this process what no script needs; `false` when that did not work.
#[cfg(target_os = "linux")]
pub(super) fn process() -> bool {
    use rustix::process::{Resource, Rlimit, setrlimit};

    use super::machine::STACK_BYTES;

    /// Address space of a worker beside the stack of its scripts: the program itself, the memory that is counted, and
    /// what the conversions of values and frames take for a moment.
    const ADDRESS_SPACE_BYTES: usize = 1 << 30;
    /// Three pipes, and a few that the system's libraries open for a moment.
    const FILES_MAX: u64 = 16;

    let address_space = u64::try_from(STACK_BYTES + ADDRESS_SPACE_BYTES).unwrap_or(u64::MAX);
    let limits = [
        (Resource::As, address_space),
        // A dump would hold settings, and with them secrets.
        (Resource::Core, 0),
        // Pipes are no files in this sense.
        (Resource::Fsize, 0),
        (Resource::Nofile, FILES_MAX),
    ];
    let set = |(resource, most)| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).is_ok();
    // No program that this one might start gets more rights than it has.
    limits.into_iter().all(set) && rustix::thread::set_no_new_privs(true).is_ok()
}

/// Ends this process when it works for longer than `more` from now on, even if nobody watches it.
#[cfg(target_os = "linux")]
pub(super) fn allow_cpu(more: Duration) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use rustix::time::{ClockId, clock_gettime};

    let used = u64::try_from(clock_gettime(ClockId::ProcessCPUTime).tv_sec).unwrap_or(0);
    let until = used.saturating_add(more.as_secs()).saturating_add(1);
    let maximum = getrlimit(Resource::Cpu).maximum;
    // The watching thread stops what lasts too long as well; this is the second net.
    let _ = setrlimit(Resource::Cpu, Rlimit { current: Some(maximum.map_or(until, |most| most.min(until))), maximum });
}

/// Elsewhere the engine's own limits must do.
#[cfg(not(target_os = "linux"))]
pub(super) fn process() -> bool {
    true
}

/// Elsewhere the watching thread must do.
#[cfg(not(target_os = "linux"))]
pub(super) fn allow_cpu(_more: Duration) {}
