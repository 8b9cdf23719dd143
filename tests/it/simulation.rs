//! A simulation: the real core on SQLite, with a clock that is moved by hand and a world outside that refuses, hesitates
//! and loses answers. A seed decides what happens and at which statement the program dies; after each step the laws of
//! `simulation/laws.rs` must hold, and at the end what is recorded must be what happened outside.
//!
//! A seed that fails is printed with what led there, and is played again with
//! `SIMULATION_SEED=<seed> cargo test --test it simulation -- --nocapture`. `make soak` plays seed after seed until it is
//! stopped.

mod laws;
mod outside;
mod steps;
mod universe;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    time::{Duration, Instant},
};

use rand::RngExt as _;
use rustbill::core::{
    database::interrupt,
    error::{Error, Kind},
};

use self::{
    steps::{Pick, STEPS},
    universe::{Beginning, Universe},
};

/// Seeds of a run in continuous integration.
const SEEDS: u64 = 16;
/// Steps of a seed before everything is brought to its end.
const STEPS_EACH: usize = 250;
/// One in this many steps is cut off somewhere.
const CRASHES: usize = 6;
/// The cut comes at most after this many statements; the longest operations have fewer.
const MOMENTS_MAX: u64 = 40;

/// After how many steps the program's own check of the books runs, besides after each crash.
const CHECK_EVERY: usize = 10;

/// What was done, to be told at the end.
#[derive(Default)]
struct Tally {
    steps: usize,
    crashes: usize,
    orders: i64,
    /// By step: how often it succeeded.
    succeeded: BTreeMap<&'static str, usize>,
}

/// Plays one seed to its end.
async fn play(beginning: &Beginning, seed: u64, tally: &mut Tally, history: &mut String) -> Result<(), String> {
    let mut universe = Universe::begin(beginning, seed).await;
    let weights: u32 = STEPS.iter().map(|(weight, _, _)| weight).sum();
    for number in 1..=STEPS_EACH {
        let mut at = universe.chance.random_range(0..weights);
        let (_, name, step) = STEPS
            .iter()
            .find(|(weight, _, _)| {
                let is_here = at < *weight;
                at = at.saturating_sub(*weight);
                is_here
            })
            .ok_or("no step")?;
        let pick = Pick {
            which: universe.number(1000),
            choice: universe.number(1000),
            cents: i64::try_from(universe.number(6000)).unwrap_or_default() + 1,
        };
        let cut = if universe.number(CRASHES) == 0 { universe.chance.random_range(1..=MOMENTS_MAX) } else { u64::MAX };
        let outcome = interrupt::until(cut, step(&universe, pick)).await;
        tally.steps += 1;
        let told = match &outcome {
            None => format!("cut off at its moment {cut}"),
            Some(Ok(())) => "done".to_owned(),
            Some(Err(error)) => format!("{}: {error}", error.code()),
        };
        let _ = writeln!(history, "{number:>4} {} {name} {pick:?}: {told}", universe.app.clock.now());
        let was_cut = outcome.is_none();
        match outcome {
            None => {
                tally.crashes += 1;
                universe.restart().await;
            }
            Some(Ok(())) => *tally.succeeded.entry(name).or_default() += 1,
            Some(Err(error)) if is_expected(&error) => {}
            Some(Err(error)) => return Err(format!("step {number} ({name}) failed with {}: {error}", error.code())),
        }
        let at = |law| format!("after step {number} ({name}): {law}");
        laws::hold(&universe).await.map_err(at)?;
        // It reads everything, so not each time.
        if was_cut || number % CHECK_EVERY == 0 {
            laws::books_are_right(&universe).await.map_err(at)?;
        }
    }
    universe.settle().await?;
    laws::hold(&universe).await?;
    laws::books_are_right(&universe).await?;
    laws::agree(&universe).await?;
    let count = "SELECT CAST(COUNT(*) AS BIGINT) FROM orders";
    tally.orders += universe.app.database.q(count).scalar::<i64>().await.map_err(|error| error.to_string())?;
    universe.end().await;
    Ok(())
}

/// Refusals are; so is that somebody outside said no or gave no answer. A fault of ours is not.
fn is_expected(error: &Error) -> bool {
    let outside = ["payment.gateway", "payment.refund_pending"];
    match error.kind() {
        Kind::Internal => outside.contains(&error.code()),
        Kind::Unavailable => false,
        _ => true,
    }
}

/// Plays seeds from `first` on; says what was done.
async fn play_from(first: u64, count: u64) -> Tally {
    let beginning = Beginning::make().await;
    let mut tally = Tally::default();
    let begun = Instant::now();
    for seed in first..first.saturating_add(count) {
        let mut history = String::new();
        if let Err(problem) = play(&beginning, seed, &mut tally, &mut history).await {
            panic!(
                "seed {seed}: {problem}\n\nwhat led there:\n{history}\nagain: SIMULATION_SEED={seed} cargo test --test it simulation"
            );
        }
        if count == u64::MAX {
            tell(seed, &tally, begun.elapsed());
        }
    }
    tell(first, &tally, begun.elapsed());
    tally
}

#[expect(clippy::print_stdout, reason = "somebody who lets it run for hours wants to see how far it is")]
fn tell(seed: u64, tally: &Tally, time: Duration) {
    let Tally { orders, steps, crashes, .. } = tally;
    println!("seed {seed}: {orders} orders, {steps} steps, {crashes} crashes so far, in {time:?}");
}

fn seed_from_the_environment() -> Option<u64> {
    std::env::var("SIMULATION_SEED").ok().map(|text| text.parse().expect("SIMULATION_SEED is a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_nothing_is_lost_and_nothing_happens_twice() {
    if let Some(seed) = seed_from_the_environment() {
        play_from(seed, 1).await;
        return;
    }
    let tally = play_from(1, SEEDS).await;
    // A step that never succeeds proves nothing.
    for (_, name, _) in STEPS.iter().filter(|(_, name, _)| *name != "forged_notice") {
        assert!(tally.succeeded.contains_key(name), "{name} never succeeded");
    }
    assert!(tally.crashes > tally.steps / 50, "only {} of {} steps were cut off", tally.crashes, tally.steps);
}

/// Until it is stopped; for `make soak`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it never ends"]
async fn soak() {
    let first = seed_from_the_environment().unwrap_or_else(|| rand::rng().random_range(0..1 << 48));
    play_from(first, u64::MAX).await;
}
