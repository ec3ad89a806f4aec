//! Two guests side by side: scenarios mostly wait, for LACP and for what must not happen, so that one guest alone
//! leaves half of a machine idle.

use std::cmp::Reverse;
use std::time::Duration;

use crate::scenario::Scenario;

/// Guests at a time. Each has processors enough for one scenario.
pub const LANES: usize = 2;

/// Deal the scenarios out so that all lanes have about the same to do, by the time that each scenario may take. Those of
/// a lane keep their order. No lane is empty.
#[must_use]
pub fn deal(scenarios: &[Scenario], lanes: usize) -> Vec<Vec<Scenario>> {
    let mut by_length: Vec<usize> = (0..scenarios.len()).collect();
    by_length.sort_by_key(|index| Reverse(scenarios[*index].limit));
    let mut dealt = vec![(Duration::ZERO, Vec::new()); lanes];
    for index in by_length {
        if let Some((time, lane)) = dealt.iter_mut().min_by_key(|(time, _)| *time) {
            *time += scenarios[index].limit;
            lane.push(index);
        }
    }
    let lanes = dealt.into_iter().filter(|(_, lane)| !lane.is_empty());
    lanes
        .map(|(_, mut lane)| {
            lane.sort_unstable();
            lane.into_iter().map(|index| scenarios[index]).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(lanes: &[Vec<Scenario>]) -> Vec<Vec<&'static str>> {
        let names = |lane: &Vec<Scenario>| lane.iter().map(|scenario| scenario.name).collect();
        lanes.iter().map(names).collect()
    }

    #[test]
    fn lanes_have_as_much_to_do_and_keep_the_order() {
        let scenario = |name, seconds| Scenario {
            name,
            about: "",
            limit: Duration::from_secs(seconds),
            run: |_| Ok(()),
        };
        let all = [
            scenario("a", 10),
            scenario("b", 60),
            scenario("c", 30),
            scenario("d", 20),
        ];
        let two = [vec!["b"], vec!["a", "c", "d"]];
        assert_eq!(named(&deal(&all, 2)), two);
        assert_eq!(named(&deal(&all, 1)), [vec!["a", "b", "c", "d"]]);
        assert_eq!(named(&deal(&all[..1], 2)), [vec!["a"]]);
    }
}
