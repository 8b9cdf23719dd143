//! Laws that hold for whatever is done: lists and their pages, and what money and states do.

mod moves;
mod paging;

use proptest::{
    strategy::Strategy,
    test_runner::{Config, TestCaseError, TestRunner},
};
use tokio::runtime::Handle;

/// Runs an asynchronous test on `count` cases; a failing one is made smaller before it is shown.
pub(crate) fn check<S: Strategy>(
    count: u32,
    strategy: &S,
    test: impl AsyncFn(S::Value) -> Result<(), String>,
) -> Result<(), String> {
    // What failed is shown in full, and the seeds of a run are no part of the source.
    let config = Config { cases: count, failure_persistence: None, max_shrink_iters: 300, ..Config::default() };
    let mut runner = TestRunner::new(config);
    tokio::task::block_in_place(|| {
        runner
            .run(strategy, |case| Handle::current().block_on(test(case)).map_err(TestCaseError::fail))
            .map_err(|failure| failure.to_string())
    })
}
