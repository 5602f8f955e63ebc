//! The tests that are not about the zip container, run again with their files as legacy streams. A few have no place here:
//! what they test is an archive's (records, the form of ids, fixtures).

use crate::pickle_builder::on_the_legacy_stream;

macro_rules! again {
    ($($module:ident: $($case:ident)*;)*) => {
        $(mod $module {
            $(#[test]
            fn $case() {
                super::on_the_legacy_stream(crate::$module::$case);
            })*
        })*
    };
}

again! {
    tensors:
        case_064_strided_views_have_their_values
        case_064_an_expanded_tensor_is_bounded
        case_065_sharing_is_visible
        case_066_one_tensor_under_two_names
        case_067_two_dtypes_over_one_record
        case_068_parameters_and_attributes
        case_069_conjugate_and_negative_views_are_resolved
        case_070_views_of_dtypes_without_a_storage_class_share
        case_079_a_meta_tensor_of_a_terabyte_is_a_shape
        case_082_tensors_of_old_versions
        case_083_views_beyond_the_storage
        case_083_arguments_of_the_wrong_kind
        case_084_numbers_of_elements_that_cannot_be
        case_087_a_bare_tensor_or_storage_as_root
        views_of_views_agree_with_indices
        tensors_are_handles_of_their_own;
    elements:
        case_071_every_code_of_every_8_bit_float
        case_071_two_values_in_a_byte
        case_072_extreme_values_are_exact
        casts_round_as_torch_does;
    values:
        case_051_equal_keys_are_one_entry_in_the_first_place
        case_052_recursive_values_terminate
        case_053_deep_nesting_decodes_and_drops
        case_053_deep_nesting_of_other_kinds
        case_054_billion_laughs_decode_at_once_and_hit_the_limit
        case_054_shared_keys_do_not_explode
        case_112_many_buffers_that_are_not_persistent
        case_055_a_memo_slot_of_four_billion_costs_nothing
        case_056_text_that_is_not_utf8
        case_056_096_names_that_become_one_text_are_reported
        case_088_plain_values_of_every_kind
        tensors_in_sets_and_unknown_calls_are_listed;
    kinds:
        case_059_a_call_of_system_is_an_object_and_nothing_runs
        case_063_plain_values_are_plain
        case_074_parameters_are_there_for_each_scheme
        case_075_parameters_in_lists_load_and_wrong_ones_are_refused
        case_080_tensors_of_other_devices_come_by_way_of_numpy_and_the_cpu
        case_081_a_dtensor_is_its_local_part_and_says_so
        case_081_a_sharded_tensor_is_its_local_shard
        case_081_the_tensors_of_a_wrapper_subclass_are_reachable
;
    state_dict:
        it_keeps_the_order_of_the_file
        names_are_looked_up
        require_says_what_is_wrong
        check_is_torchs_strict_loading
        case_093_tied_names_are_grouped
        prefixes_take_whole_pieces
        a_prefix_is_stripped_from_the_names_that_have_it
        case_090_metadata_is_no_item
        case_094_what_is_no_tensor_is_kept
        case_092_a_whole_module
        a_module_of_another_form_is_not_left_out
        a_module_that_packs_all_its_tensors_is_an_error;
    devices:
        case_097_every_tag_is_kept_as_it_is
        case_097_a_device_that_does_not_exist_is_named_with_tensor_and_remedy
        case_098_everything_on_the_cpu
        case_099_maps_match_whole_tags
        case_100_a_closure_is_called_once_per_storage_and_may_borrow
        malformed_devices_are_errors_that_name_them
;
    which_dict:
        the_rules_choose_one_dict
        no_rule_guesses
        many_candidates_are_listed_in_short
        a_key_names_the_dict
        a_candidate_in_an_error_can_be_named
        flattening_takes_every_tensor_under_its_path
        flattened_names_that_collide_are_an_error
;
    sparse:
        case_076_coordinates_in_each_form
        case_076_compressed_rows_and_columns
        case_076_blocks_of_one_and_of_four
        the_forms_of_older_releases_and_of_torchscript
        case_077_coordinates_out_of_range
        case_077_compressed_indices_that_do_not_add_up
        case_077_parts_that_do_not_fit_together
        absurd_sizes_are_a_limit_not_an_allocation
        plain_readers_say_which_method_reads_the_tensor
        a_detached_sparse_tensor_needs_no_file
        case_078_nested_tensors_of_views
        case_078_jagged_tensors
        expanded_nested_sizes_are_refused
        sparse_and_nested_tensors_do_not_nest;
}
