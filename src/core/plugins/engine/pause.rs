//! `sleep_ms`: how a script waits between two looks at something that another system does.

use std::time::Duration;

use rune::runtime::{Value, VmResult};
use rune::{ContextError, Module};

/// The longest of one pause. A call may pause again and again, within its time.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Adds the function.
pub(super) fn install(module: &mut Module) -> Result<(), ContextError> {
    module
        .function("sleep_ms", |milliseconds: Value| -> VmResult<()> {
            let given = match milliseconds.borrow_string_ref() {
                Ok(text) => text.trim().parse::<u64>().ok(),
                Err(_) => milliseconds.as_integer::<u64>().ok(),
            };
            match given.map(Duration::from_millis) {
                // The worker runs one call at a time, so nobody else waits for this thread.
                Some(pause) if pause <= PAUSE_MAX => {
                    std::thread::sleep(pause);
                    VmResult::Ok(())
                }
                _ => VmResult::panic(format!(
                    "`sleep_ms` takes a whole number of milliseconds from 0 to {}",
                    PAUSE_MAX.as_millis()
                )),
            }
        })
        .build()?;
    Ok(())
}
