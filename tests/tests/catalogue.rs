//! Which test would fail if we had a fault of the earlier daemons, or forgot an event.
//!
//! The numbers are those of `spec/behaviour.md`: W-n the weaknesses of section 16, P-n the problem
//! reports of section 17, En the events of section 18. A test that is renamed or removed must be
//! replaced here; what is not done says so.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A number, and a file with a test, or a directory of the lab's scenarios with one. Behind a `-`,
/// why there is none.
const CATALOGUE: &str = "\
W-1  iccpd/src/kernel/reader.rs an_answer_that_does_not_come_can_be_waited_for_beside_others
W-1  iccpd/src/kernel/tests.rs a_kernel_that_lets_a_question_wait_holds_nobody_else_up
W-1  iccpd/src/peer/tests.rs half_a_message_holds_nobody_up
W-1  tests/tests/replay/bad.rs half_a_message_stalls_nobody_else
W-2  tests/tests/rules.rs the_daemons_run_no_other_programs
W-3  iccpd/src/kernel/tests.rs kinds_of_interfaces_reach_the_core
W-3  iccpd/src/kernel/view/tests.rs teamd_decides_about_members_as_long_as_it_answers
W-3  tests/src/scenarios teams_are_mlag_ports_whether_or_not_teamd_may_be_asked
W-4  syncd/src/backend/mclagsyncd/tests.rs a_lost_server_is_noticed_and_connected_to_again
W-4  iccpd/src/syncd/tests.rs the_client_comes_back
W-5  iccpd/core/tests/pair/legacy/stories.rs the_role_is_decided_anew_when_the_addresses_change
W-6  proto/netlink/tests/kernel/links.rs a_vlan_interface_changes_its_address_without_losing_carrier
W-6  proto/netlink/tests/kernel/bond.rs a_bond_changes_its_address_without_losing_carrier
W-6  tests/tests/rules.rs nothing_takes_an_interface_down
W-7  iccpd/core/src/session/tests.rs a_request_in_exchange_is_answered_without_leaving_it
W-7  iccpd/core/tests/pair/legacy/stories.rs a_legacy_daemon_that_asks_again_in_exchange_gets_everything_and_nothing_changes
W-8  iccpd/src/peer/tests.rs a_peer_that_does_not_read_costs_bounded_memory
W-8  iccpd/src/peer/tests.rs last_words_arrive
W-9  iccpd/core/tests/mclagsyncd/events.rs isolation_is_lifted_when_the_peer_deletes_its_port
W-10 iccpd/core/tests/pair/stories.rs any_process_may_die_without_a_trace_in_the_dataplane
W-10 iccpd/core/tests/mclagsyncd/order.rs a_chassis_that_leaves_wants_nothing_of_any_section
W-10 syncd/src/reconcile/tests.rs an_empty_snapshot_restores_what_was_before
W-10 syncd/src/server/legacy/tests.rs what_the_next_client_does_not_say_again_goes_when_it_is_synchronised
W-11 syncd/src/v1/to/tests.rs a_held_port_that_leaves_the_pair_carries_data
W-11 syncd/src/reconcile/tests.rs a_port_released_by_name_is_undone_at_once
W-12 iccpd/core/src/lag/tests.rs a_lost_acknowledgement_is_asked_for_less_and_less_often_until_it_is_given_up
W-12 iccpd/core/tests/pair/legacy/stories.rs a_sonic_that_never_acknowledges_is_asked_again_and_then_no_longer_waited_for
W-13 iccpd/core/src/fdb/tests/unreported.rs an_address_on_a_port_that_is_down_here_alone_is_reached_through_the_peer
W-14 iccpd/core/src/fdb/tests.rs a_move_between_two_local_ports_is_announced
W-14 iccpd/core/src/fdb/tests/unreported.rs a_move_between_two_local_ports_is_told
W-15 iccpd/core/src/fdb/tests.rs orphan_ports_of_the_same_name_are_different_places
W-16 iccpd/core/src/fdb/tests/unreported.rs a_port_that_joins_the_domain_is_looked_at_again
W-16 iccpd/core/src/fdb/tests/unreported.rs a_port_that_leaves_the_domain_is_an_orphan
W-17 iccpd/core/src/neigh/tests.rs one_address_on_two_interfaces_is_two_neighbours
W-18 iccpd/core/src/neigh/tests.rs a_host_that_got_another_mac_is_told_again_with_both_families
W-18 iccpd/core/src/neigh/tests.rs neighbours_of_a_layer_3_port_go_and_come_with_it
W-19 iccpd/core/tests/mclagsyncd/events.rs a_port_that_was_deleted_while_its_interface_was_away_stays_deleted
W-20 syncd/src/backend/mclagsyncd/configuration.rs every_attribute_of_a_deletion_is_deleted
W-21 iccpd/core/tests/pair/legacy/stories.rs another_system_mac_is_told_at_once
W-22 iccpd/core/src/policy/decision/tests.rs isolation_table
W-22 tests/src/scenarios a_peer_out_of_reach_changes_nothing_and_comes_back
W-23 iccpd/core/tests/pair/legacy/stories.rs a_warm_reboot_of_sonic_changes_nothing_for_ninety_seconds_and_then_is_a_loss
W-24 - a daemon has one domain, and its state is a value without static variables
W-25 iccpd/core/tests/pair/legacy/stories.rs a_refused_system_config_is_said_again_with_the_node_id_before
W-25 iccpd/core/tests/pair/legacy/stories.rs nothing_that_a_peer_says_makes_us_reject_it_or_ask_again
W-26 proto/src/iccp/codec/tests/hostile.rs no_count_is_trusted
W-26 proto/src/iccp/codec/tests/hostile.rs a_tlv_longer_than_its_message_drops_it_and_the_next_one_is_read
W-27 iccpd/core/src/neigh/tests.rs own_addresses_are_nobodys_neighbours_from_either_side
W-28 iccpd/src/kernel/layer3/tests.rs every_change_says_all_addresses_of_the_interface
W-29 tests/tests/replay/named.rs a_pair_comes_changes_and_goes_with_a_server
W-30 iccpd/src/mclagdctl/view/tests.rs a_large_table_comes_in_pages
W-30 proto/src/mclagdctl/text.rs a_list_of_vlans_is_cut_at_a_whole_item
W-31 iccpd/src/peer/tests.rs a_stranger_is_refused_and_counted
W-31 iccpd/src/settings/tests.rs mistakes_are_reported_with_line_column_and_value
W-32 syncd/src/server/legacy/tests.rs garbage_ends_a_connection_and_nothing_else
W-32 syncd/src/server/tests.rs a_frame_of_an_unknown_type_is_skipped
W-33 - a linux-mclag server reports static entries with type 2 (mclagsyncd-protocol 4.16), and so do we
W-33 proto/netlink/tests/kernel/filter.rs isolated_ports_get_nothing_from_the_peer_link_and_held_ports_nothing_at_all
W-34 syncd/src/server/legacy/tests.rs the_dialect_is_told_from_what_is_said_where_the_address_does_not_tell
W-35 syncd/src/backend/mclagsyncd/configuration.rs a_second_domain_is_refused_with_both_numbers
W-36 iccpd/core/tests/mclagsyncd/events.rs a_tunnel_as_peer_link_isolates_and_is_compared
W-37 - learning stays off as long as a port is isolated (ADR 4), and begins when none is any more
W-37 iccpd/core/tests/single.rs the_peer_link_learns_when_no_port_is_isolated_any_more
P-1  proto/src/sync/v1/tests/isolation.rs a_list_that_does_not_fit_is_refused_and_linux_mclags_can_be_split
P-2  syncd/src/backend/mclagsyncd/tests.rs an_isolation_list_that_does_not_fit_fails_its_ports_each_time
P-2  proto/src/sync/v1/tests/isolation.rs a_list_of_4096_bytes_with_its_message_fits
P-3  proto/netlink/tests/kernel/bond.rs min_links_takes_a_bond_out_of_service_while_lacp_goes_on
P-3  syncd/src/v1/from/tests.rs traffic_is_held_until_it_is_enabled
P-4  syncd/src/server/tests.rs a_port_that_cannot_be_isolated_is_not_opened
P-4  syncd/src/reconcile/tests.rs a_filter_that_somebody_removed_is_installed_again_with_all_it_isolated
P-4  iccpd/core/tests/single.rs an_isolation_that_was_refused_is_asked_for_again_and_not_acknowledged_before
P-5  syncd/src/reconcile/tests.rs a_batch_applied_twice_does_what_it_does_once
P-5  tests/src/scenarios no_frame_is_delivered_twice_during_a_hundred_flaps
P-6  iccpd/core/src/fdb/tests/unreported.rs what_was_installed_is_withdrawn_when_the_dataplane_learns_the_address
P-7  syncd/src/legacy/feed/tests.rs what_the_client_installed_is_reported_when_the_host_speaks_here
P-7  syncd/src/reconcile/tests.rs an_ageing_entry_is_installed_once_and_reported_like_a_learned_one
P-8  tests/tests/fuzz.rs variations_of_the_seeds_break_nothing
P-8  syncd/src/server/legacy/tests.rs one_sonic_client_at_a_time_and_each_is_told_everything
P-9  iccpd/core/tests/mclagsyncd/order.rs a_peer_that_reboots_warm_changes_nothing
P-10 syncd/src/v1/to/tests.rs a_large_table_is_cut_into_messages_that_fit
P-10 syncd/src/legacy/feed/tests.rs a_large_table_is_told_in_full_messages
P-11 syncd/src/backend/mclagsyncd/tests.rs messages_are_put_together_however_they_arrive
P-11 syncd/src/server/legacy/tests.rs a_stream_may_be_cut_at_any_byte
P-12 iccpd/src/kernel/view/tests.rs running_needs_admin_up_and_an_operational_state_or_carrier_where_there_is_none
P-13 proto/netlink/tests/kernel/bond.rs a_bond_changes_its_address_without_losing_carrier
P-13 tests/tests/rules.rs nothing_takes_an_interface_down
P-14 iccpd/core/src/fdb/tests.rs an_address_in_a_vlan_the_port_does_not_carry_is_not_programmed
P-14 iccpd/core/src/fdb/tests/unreported.rs an_address_of_a_vlan_that_the_peer_link_leaves_is_withdrawn
P-15 iccpd/core/tests/mclagsyncd/layer3.rs the_peer_link_in_its_vlan_is_enough_for_a_vlan_interface
P-16 proto/netlink/tests/kernel/filter.rs isolated_ports_get_nothing_from_the_peer_link_and_held_ports_nothing_at_all
P-17 proto/netlink/tests/kernel/bond.rs the_system_id_of_a_running_bond_can_be_changed_and_given_back
P-18 - a host without LACP is not served by an MLAG port that speaks it
P-19 iccpd/src/ctl/show/tests.rs status_of_a_pair_in_trouble
P-19 proto/src/iccp/codec/tests/lists.rs all_vlans_fit_a_port_channel_info_of_either_dialect
P-20 proto/daemon/src/limit.rs a_flood_about_one_subject_is_cut_and_counted
P-21 syncd/src/v1/from/tests.rs a_sonic_list_isolates_the_lags_it_names
P-21 proto/src/sync/v1/tests/isolation.rs a_list_survives_the_way_to_a_receiver_who_knows_the_lags
P-22 iccpd/core/tests/mclagsyncd/order.rs what_a_dataplane_does_not_take_it_is_not_told
P-23 - there is one way to a dataplane on each platform so far
P-24 proto/src/iccp/codec/tests/hostile.rs no_count_is_trusted
P-24 tests/tests/replay/bad.rs a_count_beyond_the_message_is_named_and_the_session_stays
P-24 tests/tests/rules.rs the_daemons_run_no_other_programs
P-25 syncd/src/server/legacy/tests.rs a_client_that_does_not_read_is_told_the_final_state
P-25 iccpd/core/tests/single.rs a_peer_that_talks_and_does_not_read_costs_no_memory
P-26 iccpd/core/tests/mclagsyncd/events.rs a_tunnel_as_peer_link_isolates_and_is_compared
P-27 - of one start of one program
P-28 - of packages, not of behaviour
P-29 - uplinks are not tracked
E1   tests/src/scenarios killing_any_daemon_leaves_no_trace
E1   syncd/src/reconcile/tests.rs keep_leaves_what_an_earlier_run_decided
E2   iccpd/tests/processes.rs an_iccpd_conf_is_checked_converted_and_used
E3   tests/tests/replay/named.rs a_pair_comes_changes_and_goes_with_a_server
E3   syncd/src/backend/mclagsyncd/configuration.rs a_new_connection_replaces_what_the_old_one_said_once_it_has_settled
E4   iccpd/core/src/session/tests.rs bring_up_runs_through_all_states_in_order
E4   iccpd/core/tests/pair/legacy/stories.rs the_bring_up_is_said_in_the_order_of_the_specification
E5   iccpd/core/tests/mclagsyncd/order.rs up_is_said_after_the_ports_and_before_those_of_the_peer
E5   syncd/src/v1/to/tests.rs a_session_that_comes_up_is_told_in_the_order_of_sonic
E6   iccpd/core/tests/mclagsyncd/order.rs down_is_said_before_isolation_is_lifted
E6   syncd/src/v1/to/tests.rs a_session_that_goes_down_is_told_before_isolation_is_cleared
E6   iccpd/core/tests/pair/legacy/stories.rs strict_sonic_gives_everything_up_with_the_session
E7   iccpd/core/tests/pair/legacy/stories.rs a_peer_that_disconnects_from_the_group_is_answered_and_gone
E8   iccpd/core/tests/mclagsyncd/events.rs the_session_outlives_the_peer_link_and_isolation_stays
E8   iccpd/core/src/fdb/tests/unreported.rs a_peer_link_that_is_lost_takes_its_entries_out_and_back
E9   iccpd/core/src/fdb/tests/unreported.rs a_peer_link_that_is_lost_takes_its_entries_out_and_back
E10  iccpd/core/tests/mclagsyncd/events.rs the_session_outlives_the_peer_link_and_isolation_stays
E11  iccpd/core/tests/mclagsyncd/events.rs a_port_that_goes_down_here_stays_isolated
E11  iccpd/core/src/fdb/tests/unreported.rs an_address_that_ages_on_a_lost_port_is_the_peers
E11  iccpd/core/tests/mclagsyncd/neighbours.rs neighbours_of_a_routed_port_are_removed_with_it_and_kept_for_the_peer
E12  iccpd/core/tests/pair/legacy/stories.rs a_leg_of_ours_that_returns_is_held_until_sonic_has_isolated_and_acknowledged
E12  iccpd/core/src/fdb/tests/unreported.rs a_port_that_is_back_takes_its_addresses_back
E13  iccpd/core/tests/pair/stories.rs a_lost_leg_is_taken_over_by_the_peer_and_handed_back
E13  iccpd/core/src/fdb/tests/unreported.rs a_port_lost_at_the_peer_concerns_only_what_the_peer_alone_saw
E14  iccpd/core/tests/pair/legacy/stories.rs an_acknowledgement_waits_for_our_dataplane
E14  iccpd/core/tests/mclagsyncd/neighbours.rs neighbours_are_told_again_when_the_peer_s_port_is_back
E15  iccpd/core/tests/pair/legacy/stories.rs a_port_that_the_peer_had_first_is_isolated_as_soon_as_it_is_one_here
E15  iccpd/core/tests/mclagsyncd/layer3.rs a_layer_3_port_is_taken_on_while_the_peer_has_it
E16  iccpd/core/tests/mclagsyncd/events.rs isolation_is_lifted_when_the_peer_deletes_its_port
E16  iccpd/core/tests/mclagsyncd/layer3.rs a_layer_3_port_is_taken_on_while_the_peer_has_it
E16  iccpd/core/src/fdb/tests/unreported.rs what_the_peer_saw_on_a_port_it_lost_ages_here_and_is_told
E17  iccpd/core/src/fdb/tests.rs a_host_seen_here_alone_is_left_to_the_kernel_and_announced
E18  iccpd/core/src/fdb/tests.rs an_entry_goes_when_neither_side_sees_the_host
E19  iccpd/core/src/fdb/tests.rs a_moving_host_is_followed_and_every_move_is_announced
E20  iccpd/core/src/fdb/tests/unreported.rs a_flush_takes_only_what_nobody_else_sees
E21  iccpd/core/src/fdb/tests/unreported.rs a_new_address_goes_to_the_port_else_to_the_peer_link_else_nowhere
E22  iccpd/core/src/fdb/tests/unreported.rs what_the_peer_no_longer_sees_stays_if_it_is_seen_here
E23  iccpd/core/src/fdb/tests/unreported.rs a_configured_address_is_told_as_one_and_withdrawn
E24  iccpd/core/tests/mclagsyncd/neighbours.rs changes_are_told_while_both_are_synchronised
E25  iccpd/core/tests/mclagsyncd/neighbours.rs what_the_peer_says_is_installed_where_it_can_be_used
E26  iccpd/core/tests/mclagsyncd/events.rs vlans_of_a_port_are_told_as_they_change
E27  iccpd/core/tests/mclagsyncd/layer3.rs the_peer_link_in_its_vlan_is_enough_for_a_vlan_interface
E27  iccpd/core/src/fdb/tests/unreported.rs an_address_of_a_vlan_that_the_peer_link_leaves_is_withdrawn
E28  iccpd/core/tests/mclagsyncd/order.rs members_that_change_are_told
E28  syncd/src/v1/to/tests.rs a_layer_3_port_that_gains_a_member_is_told_its_address_again
E29  iccpd/core/tests/mclagsyncd/events.rs an_address_of_a_port_is_told
E29  iccpd/core/tests/mclagsyncd/layer3.rs a_vlan_interface_is_taken_on_while_it_has_an_address
E29  iccpd/core/tests/mclagsyncd/neighbours.rs an_address_that_changes_is_withdrawn_and_told
E30  iccpd/core/tests/mclagsyncd/events.rs a_port_whose_interface_is_made_again_is_told_again
E30  iccpd/core/tests/mclagsyncd/events.rs an_interface_of_the_same_name_with_another_number_takes_the_place_of_the_old_one
E30  syncd/src/reconcile/tests.rs a_port_that_was_recreated_gets_everything_again
E31  iccpd/core/tests/pair/legacy/stories.rs the_role_is_decided_anew_when_the_addresses_change
E32  iccpd/core/tests/mclagsyncd/layer3.rs another_identity_of_the_active_is_taken_on_at_once
E33  iccpd/core/tests/pair/legacy/stories.rs another_system_mac_is_told_at_once
E34  iccpd/core/tests/mclagsyncd/events.rs a_node_id_that_the_peer_has_too_is_given_up
E35  iccpd/core/tests/pair/legacy/stories.rs a_refused_system_config_is_said_again_with_the_node_id_before
E36  iccpd/core/src/session/tests.rs a_request_in_exchange_is_answered_without_leaving_it
E37  iccpd/core/tests/mclagsyncd/order.rs a_peer_that_reboots_warm_changes_nothing
E37  iccpd/core/tests/pair/legacy/stories.rs a_warm_reboot_that_was_announced_and_not_begun_counts_no_longer_after_ninety_seconds
E38  iccpd/core/tests/pair/legacy/stories.rs our_own_warm_reboot_leaves_both_dataplanes_as_they_are
E38  iccpd/tests/processes.rs a_chassis_that_reboots_warm_takes_nothing_down
E39  iccpd/tests/processes.rs a_chassis_that_leaves_says_so
E39  tests/src/scenarios killing_any_daemon_leaves_no_trace
E40  iccpd/core/tests/mclagsyncd/order.rs a_server_that_connects_is_told_everything_in_order
E41  syncd/src/v1/to/tests.rs a_pair_that_is_no_more_is_deleted
E42  iccpd/core/tests/mclagsyncd/neighbours.rs a_mark_is_told_with_a_request_to_answer_and_its_end_withdraws
E43  iccpd/src/kernel/tests.rs a_flood_of_neighbours_costs_the_links_nothing
E43  syncd/src/server/tests.rs a_dataplane_that_lost_events_is_looked_at_and_told_anew
E44  iccpd/src/ctl/tests.rs a_client_that_does_not_read_holds_nobody_up
E44  iccpd/src/mclagdctl/server/tests.rs a_client_that_says_nothing_is_dropped_and_holds_nobody_up
E45  - multicast groups are not exchanged
E46  - spanning tree is not followed
E47  - no anycast address of a tunnel is configured
";

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("in the workspace").to_owned()
}

/// Every Rust source below a directory, with what it says.
fn sources(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let text = fs::read_to_string(&path).expect("text");
            found.push((path, text));
        }
    }
    found
}

fn says(place: &str, test: &str) -> bool {
    let (function, scenario) = (format!("fn {test}("), format!("\"{test}\""));
    let path = root().join(place);
    if path.is_dir() {
        return sources(&path)
            .iter()
            .any(|(_, text)| text.contains(&scenario));
    }
    fs::read_to_string(path).is_ok_and(|text| text.contains(&function))
}

#[test]
fn every_known_fault_and_every_event_has_a_test() {
    let mut named = BTreeSet::new();
    let mut missing = Vec::new();
    for line in CATALOGUE.lines() {
        let mut words = line.splitn(2, ' ');
        let (number, rest) = (words.next().unwrap(), words.next().unwrap().trim_start());
        let (place, test) = rest.split_once(' ').expect(line);
        named.insert(number);
        if place != "-" && !says(place, test) {
            missing.push(line);
        }
    }
    let all = [("W-", 37), ("P-", 29), ("E", 47)];
    let all = all.map(|(letter, last)| (1..=last).map(move |number| format!("{letter}{number}")));
    let all: BTreeSet<String> = all.into_iter().flatten().collect();
    let named: BTreeSet<String> = named.into_iter().map(str::to_owned).collect();
    assert_eq!(named, all);
    assert!(!says("tests/src/scenarios", "no_such_scenario"));
    assert!(!says("iccpd/src/peer/tests.rs", "no_such_test"));
    assert!(missing.is_empty(), "no such tests:\n{}", missing.join("\n"));
}
