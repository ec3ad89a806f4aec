# The two commands are `make demo` and `make test`. Both install what they lack and work on a fresh Debian 12 with Rust.

CARGO ?= cargo
# What packages are built with, and what is off by default for the crates that it brings.
FEATURES = --features syncd/sonic

.PHONY: help deps demo test unit-tests lab ci fmt clippy doc deny rules explore soak faults fuzz mutants clean

help:
	@echo 'make demo    show a pair at work, in a screenful'
	@echo 'make test    run every test; LAB=name runs only the scenarios with that name'
	@echo 'make ci      format, lints, documentation, dependencies, then make test'
	@echo 'make explore search for schedules and values that break a property: CASES=number'
	@echo 'make soak    run random failures of a whole pair in virtual time: SOAK_SECONDS=number SEED=number'
	@echo 'make faults  put mended faults back, one at a time, and see whether soak finds them: FAULT=name'
	@echo 'make fuzz    search for inputs on which a decoder fails: TARGET=name TIME=seconds'
	@echo 'make mutants see whether a test fails where the code is broken: COUNT=number SEED=number'
	@echo 'make deps    install what is lacking (the others do it by themselves)'

deps:
	@tests/scripts/deps

demo: deps
	$(CARGO) build -q --profile lab -p iccpd -p syncd -p mclag-tests $(FEATURES)
	@$(CARGO) run -q --profile lab -p mclag-tests --bin mclag-lab -- demo

test: unit-tests lab

# The same values in every run: what fails here was broken by the change. `make explore` looks for others.
unit-tests: export PROPTEST_RNG_SEED ?= 1
unit-tests: deps
	$(CARGO) test --workspace --exclude mclag-tests $(FEATURES)
	$(CARGO) test -p mclag-tests --test fuzz --test catalogue --test recordings

# The scenarios run the programs that lie next to mclag-lab, so these are built first and with the same profile.
lab: deps
	$(CARGO) build --profile lab -p iccpd -p syncd $(FEATURES)
	tests/scripts/kernel-tests
	$(CARGO) test --profile lab -p mclag-tests --lib --bins --test rules --test replay
	$(CARGO) test --profile lab -p mclag-tests --test lab -- $(LAB)

ci: fmt clippy doc deny test

fmt:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy --workspace --all-targets $(FEATURES) -- -D warnings

doc:
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --workspace --no-deps

rules:
	$(CARGO) test --profile lab -p mclag-tests --test rules

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
