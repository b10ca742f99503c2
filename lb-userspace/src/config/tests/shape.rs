//! Faults of shape: syntax, keys, types.

use super::{SMALL, changed, faults};

#[test]
fn an_empty_file_misses_its_node() {
    let expected = ["1:1: `node` is missing; allowed: `interfaces`, and `seed` or `seed_file`"];
    assert_eq!(faults(""), expected);
    assert_eq!(faults("# nothing\n"), expected);
}

#[test]
fn a_syntax_error_is_refused_where_it_stands() {
    assert_eq!(
        faults(&changed("name = \"web\"", "name = \"web")),
        ["9:12: not TOML: invalid basic string, expected `\"`"]
    );
    assert_eq!(
        faults(&changed("port = 80\nprotocol", "port = \nprotocol")),
        ["11:8: not TOML: string values must be quoted, expected literal string"]
    );
    assert_eq!(faults(&changed("[node]", "[node")), ["1:6: not TOML: unclosed table, expected `]`"]);
}

#[test]
fn a_key_given_twice_is_refused() {
    assert_eq!(
        faults(&changed("port = 80\nprotocol", "port = 80\nport = 81\nprotocol")),
        ["12:1: not TOML: duplicate key"]
    );
}

#[test]
fn syntax_errors_on_several_lines_are_all_reported() {
    let text = SMALL.replace("port = 80", "port = = 80");
    assert_eq!(faults(&text).len(), 2, "{:?}", faults(&text));
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    assert_eq!(
        faults(&changed("port = 80\nprotocol", "port = 80\nprotcol = \"tcp\"\nprotocol")),
        ["12:1: `protcol` is no key of `[[listener]]`; did you mean `protocol`?"]
    );
    assert_eq!(
        faults(&format!("{SMALL}wieght = 3\n")),
        ["21:1: `wieght` is no key of `[[target_group.target]]`; did you mean `weight`?"]
    );
    assert_eq!(
        faults(&format!("{SMALL}[[listeners]]\n")),
        ["21:3: `listeners` is no key of the file; did you mean `listener`?"]
    );
}

#[test]
fn an_unknown_key_with_no_near_one_is_refused_with_all_that_are_known() {
    assert_eq!(
        faults(&format!("{SMALL}zone = \"a\"\n")),
        ["21:1: `zone` is no key of `[[target_group.target]]`; allowed: `address`, `port`, `weight`, `name`"]
    );
}

#[test]
fn an_unknown_key_stays_on_one_line_whatever_it_holds() {
    assert_eq!(
        faults(&format!("{SMALL}\"a\\nb\\u001b[31m\" = 1\n")),
        [
            "21:1: `a\\nb\\u{1b}[31m` is no key of `[[target_group.target]]`; allowed: `address`, `port`, `weight`, `name`"
        ]
    );
}

#[test]
fn a_value_of_the_wrong_type_is_refused_with_the_right_one() {
    let port =
        |value: &str| faults(&changed("10.2.1.2\"\nport = 80", &format!("10.2.1.2\"\nport = {value}")));
    let expected =
        |found: &str| [format!("20:8: `target_group.target.port` holds {found}; allowed: an integer")];
    assert_eq!(port("\"80\""), expected("a string"));
    assert_eq!(port("80.0"), expected("a float"));
    assert_eq!(port("true"), expected("a boolean"));
    assert_eq!(port("[80]"), expected("an array"));
    assert_eq!(port("{ from = 80 }"), expected("a table"));
    assert_eq!(port("2026-01-01"), expected("a date or time"));
    assert_eq!(port("99999999999999999999"), expected("an integer of more than 64 bits"));
    assert_eq!(
        faults(&changed("[\"eth1\"]", "\"eth1\"")),
        ["2:14: `node.interfaces` holds a string; allowed: an array of strings"]
    );
    assert_eq!(
        faults(&changed("[\"eth1\"]", "[\"eth1\", 2, 3]")),
        [
            "2:23: `node.interfaces` holds an integer; allowed: a string",
            "2:26: `node.interfaces` holds an integer; allowed: a string",
        ]
    );
}

#[test]
fn a_table_in_the_place_of_a_list_of_tables_is_refused() {
    assert_eq!(
        faults(&changed("[[listener]]", "[listener]")),
        ["8:1: `listener` holds a table; allowed: tables, each written `[[listener]]`"]
    );
    assert_eq!(
        faults(&format!("{SMALL}[[nat]]\nipv4_source = \"10.1.0.2\"\n")),
        ["21:1: `nat` holds an array; allowed: a table, written `[nat]`"]
    );
}

#[test]
fn every_key_that_must_be_there_is_missed() {
    assert_eq!(
        faults("[node]\n[metrics]\n[[listener]]\n[[target_group]]\n[[target_group.target]]\n"),
        [
            "1:1: `node.interfaces` is missing; allowed: an array of one or more interface names",
            "1:1: `node.seed` is missing; allowed: a secret of at least 16 characters, here or in the file that `node.seed_file` names",
            "2:1: `metrics.listen` is missing; allowed: an address and a port, such as `127.0.0.1:9477` or `[::1]:9477`",
            "3:1: `listener.name` is missing; allowed: 1 to 63 letters, digits, `-`, `_` or `.`, the first a letter or a digit",
            "3:1: `listener.address` is missing; allowed: an IPv4 or IPv6 address",
            "3:1: `listener.protocol` is missing; allowed: `tcp`, `udp`",
            "3:1: `listener.port` is missing; allowed: 1 to 65535, a range such as `29400-29499`, or 0 for every port",
            "3:1: `listener.target_group` is missing; allowed: the name of a target group",
            "4:1: `target_group.name` is missing; allowed: 1 to 63 letters, digits, `-`, `_` or `.`, the first a letter or a digit",
            "4:1: `target_group.forwarding` is missing; allowed: `ipip`, `gue`, `l2`, `nat`",
            "5:1: `target_group.target.address` is missing; allowed: an IPv4 or IPv6 address",
            "5:1: `target_group.target.port` is missing; allowed: 1 to 65535",
        ]
    );
}
