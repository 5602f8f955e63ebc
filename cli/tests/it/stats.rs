//! Statistics and differences are those that torch finds (`fixtures/statistics.json`).

use serde_json::Value;

use crate::{fixture, fixtures, json, run, stdout};

/// What torch said.
fn answers() -> Value {
    serde_json::from_slice(&std::fs::read(fixtures().join("statistics.json")).unwrap()).unwrap()
}

fn file(path: &str) -> String {
    fixtures().join(path).into_os_string().into_string().unwrap()
}

/// Equal but for the last bits: sums are added up in another order. What JSON has no number for is text.
fn near(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) if a.is_f64() || b.is_f64() => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= 1e-12 * a.abs().max(b.abs()) || (a - b).abs() < 1e-15
        }
        _ => a == b,
    }
}

#[test]
fn statistics_are_those_of_torch() {
    let mut compared = 0;
    for (path, tensors) in answers()["stats"].as_object().unwrap() {
        let found = json(&["show", "--json", "--stats", &file(path)]);
        for (name, wanted) in tensors.as_object().unwrap() {
            let mut of_name = found["tensors"].as_array().unwrap().iter().filter(|tensor| tensor["name"] == **name);
            let stats = &of_name.next().unwrap()["stats"];
            for (field, value) in wanted.as_object().unwrap() {
                let ends = stats["max"].as_f64().zip(stats["min"].as_f64());
                if field == "histogram" && ends.is_some_and(|(max, min)| ((max - min) * 12.0).is_infinite()) {
                    // torch's own arithmetic overflows and puts the largest number into the first bin.
                    let counted = |bins: &Value| bins.as_array().unwrap().iter().filter_map(Value::as_u64).sum::<u64>();
                    assert_eq!(counted(&stats[field]), counted(value), "{path}: {name}");
                    assert_eq!(stats[field][11], 1, "{path}: {name}");
                    continue;
                }
                // A sum of large numbers that cancel each other keeps none of the digits of the small ones.
                let size = |end: &str| stats[end].as_f64().map_or(0.0, f64::abs);
                let room = if field == "mean" { 1e-13 * size("min").max(size("max")) } else { 0.0 };
                let apart = value.as_f64().zip(stats[field].as_f64()).map(|(a, b)| (a - b).abs());
                let agrees = near(value, &stats[field]) || apart.is_some_and(|apart| apart <= room);
                assert!(agrees, "{path}: {name}.{field}: {}, not {value}", stats[field]);
                compared += 1;
            }
        }
    }
    assert!(compared > 1500, "{compared}");
}

#[test]
fn differences_are_those_of_torch() {
    for pair in answers()["diff"].as_array().unwrap() {
        let text = |key: &str| pair[key].as_str().unwrap();
        let (a, b) = (file(text("a")), file(text("b")));
        let mut args = vec!["diff", "--json", &a, &b];
        // A dict is chosen below a key; none was asked for where there is only one.
        if !text("key_a").is_empty() {
            args.extend(["--key", text("key_a"), "--key-b", text("key_b")]);
        } else if !text("key_b").is_empty() {
            args.extend(["--key-b", text("key_b")]);
        }
        let output = run(&args);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let differ = found["equal"] == false;
        assert_eq!(output.status.code(), Some(if differ { 5 } else { 0 }), "{args:?}");
        let wanted = pair["tensors"].as_object().unwrap();
        assert!(!wanted.is_empty());
        for (name, wanted) in wanted {
            let mut of_name = found["tensors"].as_array().unwrap().iter().filter(|tensor| tensor["name"] == **name);
            let tensor = of_name.next().unwrap();
            for (field, value) in wanted.as_object().unwrap() {
                let ours = &tensor["values"][field];
                assert!(near(value, ours), "{args:?}: {name}.{field}: {ours}, not {value}");
            }
            let differing = tensor["differences"].as_array().unwrap().contains(&"values".into());
            assert_eq!(differing, wanted["differing"] != 0, "{name}");
        }
    }
}

#[test]
fn statistics_are_in_json_only_if_asked_for() {
    let plain = json(&["show", "--json", &fixture("meta.pt")]);
    assert!(plain["tensors"].as_array().unwrap().iter().all(|tensor| tensor.get("stats").is_none()));
    let found = json(&["show", "--json", "--stats", &fixture("meta.pt")]);
    let tensors = found["tensors"].as_array().unwrap();
    // What has no data has no statistics, and says so.
    assert!(tensors.iter().any(|tensor| tensor["device"] == "meta" && tensor["stats"].is_null()));
    assert!(tensors.iter().all(|tensor| tensor.get("stats").is_some()));
}

#[test]
fn a_histogram_fits_into_80_columns() {
    let text = stdout(&["show", "--stats", "--include", "head.*", &fixture("trained_cnn_cuda.pt")]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("name") && lines[0].ends_with("histogram"), "{text}");
    let row = lines.iter().find(|line| line.starts_with("head.1.weight")).unwrap();
    assert!(row.chars().any(|c| c == '█') && row.chars().count() <= 80, "{text}");
}
