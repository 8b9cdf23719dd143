//! Shows steps as they happen.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use crate::{
    cmd::Printer,
    core::error::{Error, Kind, Result},
};

/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(20);

/// Prints each step with its time, and counts them.
pub(super) struct Stage<'a> {
    printer: &'a Printer,
    started: Instant,
    steps: u32,
}

impl<'a> Stage<'a> {
    pub(super) fn new(printer: &'a Printer) -> Self {
        Self { printer, started: Instant::now(), steps: 0 }
    }

    /// The title of the steps that follow.
    pub(super) fn act(&self, title: &str) -> Result<()> {
        self.printer.heading(title)
    }

    /// Does `work`, which gives what comes of it and a sentence on it. `name` says what is tried meanwhile, and what
    /// failed if it does.
    pub(super) async fn step<T>(&mut self, name: &str, work: impl Future<Output = Result<(T, String)>>) -> Result<T> {
        let (started, spinner) = (Instant::now(), self.printer.spinner(name));
        let outcome = work.await;
        drop(spinner);
        let took = duration(started.elapsed());
        match outcome {
            Ok((value, sentence)) => {
                self.steps += 1;
                self.printer.step(true, &sentence, &took)?;
                Ok(value)
            }
            Err(error) => {
                self.printer.step(false, name, &took)?;
                Err(failed(name, &error))
            }
        }
    }

    /// What somebody else says, indented.
    pub(super) fn quote(&self, text: &str) -> Result<()> {
        text.lines().try_for_each(|line| self.printer.line(&format!("     | {line}")))
    }

    /// How many steps took how long.
    pub(super) fn total(&self) -> String {
        format!("{} steps in {}", self.steps, duration(self.started.elapsed()))
    }
}

/// Asks until there is an answer, at most this long.
pub(super) async fn until<T>(what: &str, most: Duration, mut ask: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let asking = async {
        loop {
            if let Some(answer) = ask().await? {
                return Ok(answer);
            }
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(most, asking).await.unwrap_or_else(|_| {
        Err(Error::unavailable("demo.too_slow", format!("{what} took longer than {}", duration(most))))
    })
}

/// The error with the step's name, of the same kind as far as the exit code tells kinds apart.
fn failed(name: &str, error: &Error) -> Error {
    let message = format!("the step `{name}` failed: {error}");
    let wrapped = match error.kind() {
        Kind::InvalidArgument => Error::invalid("demo.step", message),
        Kind::AlreadyExists => Error::already_exists("demo.step", message),
        Kind::PermissionDenied => Error::denied("demo.step", message),
        Kind::Unavailable => Error::unavailable("demo.step", message),
        Kind::TooMany => Error::too_many("demo.step", message),
        Kind::NotFound | Kind::Unauthenticated | Kind::Internal | Kind::Unimplemented => {
            Error::internal("demo.step", message)
        }
    };
    match error.advice() {
        Some(advice) => wrapped.hint(advice),
        None => wrapped,
    }
}

fn duration(took: Duration) -> String {
    match took.as_millis() {
        millis @ 0..1000 => format!("{millis} ms"),
        _ => format!("{:.2} s", took.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmd::Format;

    #[test]
    fn times_have_the_unit_that_is_read_at_a_glance() {
        assert_eq!(duration(Duration::from_micros(12_900)), "12 ms");
        assert_eq!(duration(Duration::from_millis(1240)), "1.24 s");
    }

    #[tokio::test]
    async fn a_failed_step_names_itself_and_keeps_kind_and_advice() {
        let printer = Printer::new(Format::Json, true);
        let mut stage = Stage::new(&printer);
        let refusal = async { Err(Error::invalid("a.b", "the balance is too low").hint("top it up")) };
        let error = stage.step::<()>("customer pays", refusal).await.unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidArgument);
        assert_eq!(error.to_string(), "the step `customer pays` failed: the balance is too low");
        assert_eq!(error.advice(), Some("top it up"));
        stage.step("customer waits", async { Ok(((), "customer waited".to_owned())) }).await.unwrap();
        assert!(stage.total().starts_with("1 steps in "));
    }

    #[tokio::test]
    async fn waiting_has_an_end() {
        let mut left = 3;
        let answer = until("it", Duration::from_secs(1), async || {
            left -= 1;
            Ok((left == 0).then_some("done"))
        });
        assert_eq!(answer.await.unwrap(), "done");
        let error = until::<()>("the delivery", Duration::from_millis(50), async || Ok(None)).await.unwrap_err();
        assert_eq!(error.to_string(), "the delivery took longer than 50 ms");
    }
}
