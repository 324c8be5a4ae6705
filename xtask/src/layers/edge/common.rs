//! Names of methods that values of the standard library and of our dependencies have as well.
//!
//! A call of one says nothing about whose method it is. Must stay true: a knot could hide behind each name here, so
//! one of a dependency is only added when a call of it was taken for one of ours.

/// Whether a method of this name may well be somebody else's.
pub(crate) fn is_common(name: &str) -> bool {
    NAMES.iter().any(|(_, names)| names.split(' ').any(|common| common == name))
}

const NAMES: [(&str, &str); 7] = [
    (
        "values",
        "as_mut as_ref as_str borrow borrow_mut clamp clone cloned cmp copied default deref drop eq fmt from hash \
                into max min ne partial_cmp replace set swap take to_owned to_string try_from try_into",
    ),
    (
        "options, results, errors",
        "and and_then as_deref context err error expect expect_err flatten inspect inspect_err \
                is_err is_none is_ok is_some kind map map_err map_or map_or_else ok ok_or ok_or_else or or_else source \
                unwrap unwrap_or unwrap_or_default unwrap_or_else xor zip",
    ),
    (
        "collections",
        "all any append as_bytes as_slice back back_mut by_ref chain chars chunks clear collect concat \
                contains contains_key count dedup drain entry enumerate extend filter filter_map find first flat_map \
                fold for_each front front_mut get get_mut insert into_iter is_empty iter iter_mut join key keys last len \
                lines next or_default or_insert partition peek pop pop_back pop_front position push push_back \
                push_front range remove retain rev skip sort split split_first split_off starts_with sum take_while trim \
                value values values_mut windows",
    ),
    (
        "time and numbers",
        "abs add checked_add checked_sub div elapsed is_zero mul rem saturating_add saturating_sub sub",
    ),
    (
        "threads, tasks, processes, files",
        "abort accept arg args block_on build cancel close connect display env finish \
                flush id is_finished kill load lock name notified notify_one notify_waiters open output path poll \
                poll_next read recv send shutdown sleep spawn start status store subscribe try_lock try_recv try_send \
                unlock wait wake wake_by_ref with write",
    ),
    ("redis", "cmd exec incr publish query query_async"),
    ("syn", "call parse peek span"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_stands_by_itself() {
        for (_, names) in NAMES {
            assert!(names.split(' ').all(|name| !name.is_empty() && is_common(name)), "{names}");
        }
        assert!(is_common("insert") && !is_common("settle") && !is_common("insert_orphan") && !is_common(""));
    }
}
