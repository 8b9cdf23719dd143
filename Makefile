# The two first: `make demo` shows the product, `make test` proves it. Both install nothing but what is missing.
.PHONY: demo test setup check unit soak fmt docs figures deny clean help

demo: ## build and run the demonstration: a shop from nothing to the first sale
	cargo run -- demo

test: setup check unit ## everything that continuous integration runs

setup: ## install what the tests need and is missing
	./scripts/setup.sh

check: ## format and lints
	cargo fmt --all --check
	cargo clippy --all-targets --locked -- --deny warnings

unit: ## all tests, on SQLite and on a PostgreSQL that they start themselves
	cargo test --locked

soak: ## play the simulation of crashes and faults, seed after seed, until it is stopped
	cargo test --locked --test it simulation::soak -- --ignored --nocapture

fmt: ## format the code
	cargo fmt --all

docs: ## write docs/api.md from the comments in proto/ and from docs/api.head.md, and deploy/citus
	UPDATE_DOCS=1 cargo test --locked --test it -- api_reference:: citus::the_file

figures: ## build the release and measure start-up, memory and size
	cargo build --release --locked
	./scripts/figures.sh target/release/rustbill

deny: ## check the licences and sources of all dependencies
	command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny check licenses bans sources

clean: ## remove what was built
	cargo clean

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'
