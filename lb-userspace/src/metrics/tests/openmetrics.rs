//! Reads a page by the rules of OpenMetrics 1.0, as far as they touch what is written here, and stands
//! no breach of them. It shares nothing with what writes the page.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct Family {
    pub(super) kind: String,
    pub(super) help: String,
    pub(super) unit: Option<String>,
    pub(super) samples: Vec<Sample>,
}

#[derive(Debug)]
pub(super) struct Sample {
    name: String,
    pub(super) labels: Vec<(String, String)>,
    value: String,
}

/// The families of a page by name, those without samples excepted.
pub(super) fn families(page: &str) -> BTreeMap<String, Family> {
    let page = page.strip_suffix("# EOF\n").expect("the page ends with `# EOF` and a newline");
    let mut families: Vec<(String, Family)> = Vec::new();
    for line in page.lines() {
        assert!(!line.is_empty(), "no line is empty");
        assert_ne!(line, "# EOF", "nothing comes after the end");
        match line.strip_prefix("# ") {
            Some(metadata) => describe(&mut families, metadata),
            None => {
                let (name, family) = families.last_mut().expect("metadata comes before a sample");
                let sample = sample(line);
                assert!(
                    suffixes(&family.kind).iter().any(|it| format!("{name}{it}") == sample.name),
                    "{line}"
                );
                family.samples.push(sample);
            }
        }
    }
    let mut seen = BTreeMap::new();
    for (name, family) in families {
        check(&name, &family);
        let before = seen.insert(name.clone(), family);
        assert!(before.is_none(), "the lines of `{name}` stand together");
    }
    seen.retain(|_, family| !family.samples.is_empty());
    seen
}

/// HELP, TYPE and UNIT: each once, before the samples.
fn describe(families: &mut Vec<(String, Family)>, metadata: &str) {
    let (keyword, rest) = metadata.split_once(' ').expect("a keyword and a name");
    let (name, text) = rest.split_once(' ').expect("a name and a text");
    assert!(is_name(name), "`{name}` is a name");
    if families.last().is_none_or(|(last, _)| last != name) {
        families.push((name.to_owned(), Family::default()));
    }
    let (_, family) = families.last_mut().unwrap();
    assert!(family.samples.is_empty(), "metadata of `{name}` after its samples");
    let text = text.to_owned();
    match keyword {
        "HELP" => assert_eq!(std::mem::replace(&mut family.help, text), "", "one HELP"),
        "TYPE" => assert_eq!(std::mem::replace(&mut family.kind, text), "", "one TYPE"),
        "UNIT" => assert_eq!(family.unit.replace(text), None, "one UNIT"),
        other => panic!("`{other}` is no keyword"),
    }
}

fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total"],
        "gauge" => &[""],
        "info" => &["_info"],
        "histogram" => &["_bucket", "_count", "_sum"],
        other => panic!("`{other}` is no type that is used here"),
    }
}

/// `name{label="value",..} value`, or no braces.
fn sample(line: &str) -> Sample {
    let (name, rest) = line.split_at(line.find(['{', ' ']).expect("a value"));
    assert!(is_name(name), "{line}");
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest),
        None => (Vec::new(), rest),
    };
    let value = rest.strip_prefix(' ').expect("a space before the value");
    assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
    Sample { name: name.to_owned(), labels, value: value.to_owned() }
}

/// What stands in the braces, and what comes after them.
fn labels(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut labels = Vec::new();
    loop {
        let (name, value) = rest.split_once("=\"").expect("a label's name");
        assert!(is_name(name) && !name.contains(':'), "`{name}` is a label's name");
        let (value, after) = unescaped(value);
        labels.push((name.to_owned(), value));
        match after.split_at(1) {
            (",", more) => rest = more,
            ("}", after) => return (labels, after),
            (other, _) => panic!("`{other}` after a label"),
        }
    }
}

/// A value up to its closing quote, and what comes after that.
fn unescaped(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.push(match characters.next().expect("something is escaped").1 {
                'n' => '\n',
                escaped @ ('"' | '\\') => escaped,
                other => panic!("`\\{other}` is no escape"),
            }),
            other => value.push(other),
        }
    }
    panic!("a value ends with a quote: {text}");
}

fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || b"_:".contains(&byte);
    text.bytes().next().is_some_and(letter) && text.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
}

/// What holds for a family as a whole.
fn check(name: &str, family: &Family) {
    assert!(!family.help.is_empty() && !family.kind.is_empty(), "`{name}` is described");
    if let Some(unit) = &family.unit {
        assert!(name.ends_with(&format!("_{unit}")), "`{name}` ends with `{unit}`");
    }
    let mut series = BTreeSet::new();
    for Sample { name, labels, value } in &family.samples {
        let names: BTreeSet<_> = labels.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), labels.len(), "a label of `{name}` comes once");
        let mut sorted = labels.clone();
        sorted.sort();
        assert!(series.insert((name, sorted)), "`{name}` has one value for {labels:?}");
        let whole = name.ends_with("_total") || name.ends_with("_bucket") || name.ends_with("_count");
        assert!(!whole || value.parse::<u64>().is_ok(), "`{name}` counts: {value}");
        assert!(!name.ends_with("_info") || value == "1", "`{name}` is 1");
    }
    if family.kind == "histogram" {
        histogram(name, family);
    }
}

fn histogram(name: &str, family: &Family) {
    let labels_but_le =
        |sample: &Sample| sample.labels.iter().filter(|(name, _)| name != "le").cloned().collect::<Vec<_>>();
    let one: BTreeSet<_> = family.samples.iter().map(labels_but_le).collect();
    for labels in one {
        let of = |suffix: &str| {
            let name = format!("{name}{suffix}");
            let samples = family.samples.iter().filter(|it| it.name == name && labels_but_le(it) == labels);
            samples.collect::<Vec<_>>()
        };
        let buckets: Vec<(f64, u64)> = of("_bucket").into_iter().map(bucket).collect();
        assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{buckets:?}");
        let (last, all) = *buckets.last().expect("buckets");
        assert_eq!(last, f64::INFINITY);
        let [count] = of("_count")[..] else { panic!("one count") };
        assert_eq!(count.value, all.to_string());
        let [sum] = of("_sum")[..] else { panic!("one sum") };
        assert!(sum.value.parse::<f64>().unwrap() >= 0.0);
    }
}

fn bucket(sample: &Sample) -> (f64, u64) {
    let (_, le) = sample.labels.iter().find(|(name, _)| name == "le").expect("a bound");
    (le.parse().unwrap(), sample.value.parse().unwrap())
}
