# The two commands are `make demo` and `make test`. Both install what they lack and work on a fresh Debian 12 with Rust.

CARGO ?= cargo
# What packages are built with, and what is off by default for the crates that it brings.
FEATURES = --features syncd/sonic
# What is chosen together is built with the same features of everything below it. A choice of packages of its own for a
# command builds most of them once more.
ALL = --workspace $(FEATURES)

.PHONY: help deps demo test unit-tests programs lab ci fmt clippy doc deny rules explore soak faults fuzz mutants clean

help:
	@echo 'make demo    show a pair at work, in a screenful'
	@echo 'make test    run every test; LAB=name runs only the scenarios with that name'
	@echo 'make ci      format, lints, documentation, dependencies, then make test'
	@echo 'make explore search for schedules and values that break a property: CASES=number'
	@echo 'make soak    run random failures of a whole pair in virtual time: SOAK_SECONDS=number SEED=number'
	@echo 'make faults  put mended faults back, one at a time, and see whether soak finds them: FAULT=name'
	@echo 'make fuzz    search for inputs on which a decoder fails: TARGET=name TIME=seconds'
	@echo 'make mutants see whether a test fails where the code is broken: COUNT=number SEED=number'
	@echo 'make programs build the daemons and the tools as the lab runs them'
	@echo 'make deps    install what is lacking (the others do it by themselves)'

deps:
	@tests/scripts/deps

demo: programs
	@$${CARGO_TARGET_DIR:-target}/lab/mclag-lab demo

test: unit-tests lab

# The same values in every run: what fails here was broken by the change. `make explore` looks for others.
unit-tests: export PROPTEST_RNG_SEED ?= 1
unit-tests: deps
	$(CARGO) test $(ALL)

# Tests run the programs that lie next to them, so these are built first and with the same profile.
programs: deps
	$(CARGO) build --profile lab $(ALL) --bins --test kernel --test replay --test lab

lab: programs
	tests/scripts/kernel-tests $(ALL)
	$(CARGO) test --profile lab $(ALL) --test replay
	$(CARGO) test --profile lab $(ALL) --test lab -- $(LAB)

ci: fmt clippy doc deny test

fmt:
	$(CARGO) fmt --all --check

# The second: those that `make lab` runs are no targets for the first. The third: no test brings a feature that the daemons
# lack in a package.
clippy:
	$(CARGO) clippy $(ALL) --all-targets -- -D warnings
	$(CARGO) clippy $(ALL) --test lab --test replay -- -D warnings
	$(CARGO) clippy -p iccpd -p syncd -- -D warnings

doc:
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc $(ALL) --no-deps

rules:
	$(CARGO) test $(ALL) --test rules

deny:
	@tests/scripts/deny

explore: deps
	PROPTEST_CASES='$(or $(CASES),20000)' PROPTEST_MAX_GLOBAL_REJECTS='$(or $(CASES),20000)' $(CARGO) test --release --workspace --exclude mclag-tests -- $(TEST)

# The daemons and the simulator as they are optimised for the lab: one build for both.
soak: deps
	$(CARGO) run --profile lab -p mclag-sim --bin mclag-soak -- \
		--seconds '$(or $(SOAK_SECONDS),600)' --seed '$(or $(SEED),1)'

# By hand: each is a build and a search.
faults: deps
	@tests/scripts/faults '$(FAULT)'

# Not part of the tests, which run the same targets on a fixed list of inputs: see CONTRIBUTING.md.
fuzz:
	@tests/scripts/fuzz '$(TARGET)' '$(or $(TIME),60)'

# By hand: it takes hours, and goes on where it was stopped.
mutants:
	@tests/scripts/mutants '$(or $(COUNT),400)' '$(or $(SEED),1)'

clean:
	$(CARGO) clean
