//! Merge fields as tables.

use super::*;

#[test]
fn a_header_becomes_a_name_by_one_rule() {
    let table = [
        ("company", "company"),
        ("Company name", "company_name"),
        ("  Company -- Name! ", "company_name"),
        ("E-Mail 2", "e_mail_2"),
        ("2024 donation", "_2024_donation"),
        ("Straße", "straße"),
        ("会社", "会社"),
        ("in", "in_"),
        ("NOT", "not_"),
        ("€€", "field"),
        ("", "field"),
    ];
    for (header, name) in table {
        assert_eq!(field_name(header), name, "{header:?}");
        assert_eq!(
            field_name(name),
            name,
            "the rule changes a name no more: {name:?}"
        );
        let mut texts = Texts::new();
        texts.add(&format!("{{{{ {name} }}}}"), here());
        assert!(texts.finish().is_ok(), "{name:?} can be written as a merge field");
    }
}

fn here() -> Place {
    Place {
        block: Some(2),
        part: "text",
    }
}

fn evaluate(source: &str, fields: &[(&str, &str)]) -> Result<String, RenderError> {
    let fields = fields
        .iter()
        .map(|(field, value)| ((*field).to_owned(), (*value).to_owned()))
        .collect();
    let person = Person {
        email: "ana@example.org",
        first_name: "Ana",
        last_name: " ",
        fields: &fields,
    };
    let mut texts = Texts::new();
    let id = texts.add(source, here());
    let texts = texts.finish().expect("the source is sound");
    texts.evaluate(&person).map(|texts| texts.get(id).to_owned())
}

#[test]
fn fields_are_filled_in_and_fall_back_where_they_are_missing_or_empty() {
    let fields = [
        ("Company Name", "Orto"),
        ("city", "  "),
        ("vip", "yes"),
        ("n", "3"),
    ];
    let table = [
        ("Hello {{ first_name }}", "Hello Ana"),
        ("{{ name }} <{{ email }}>", "Ana <ana@example.org>"),
        ("{{ last_name | fallback(\"friend\") }}", "friend"),
        ("{{ last_name | fallback('}} \"quoted\"') }}", "}} \"quoted\""),
        ("{{ company_name }}", "Orto"),
        ("{{ city | fallback('your town') }}", "your town"),
        ("{{ nowhere | fallback('') }}", ""),
        ("{{ nowhere | fallback(first_name) | upper }}", "ANA"),
        ("{% if vip %}Dear {% endif %}{{ first_name }}", "Dear Ana"),
        (
            "{% if city %}in {{ city }}{% else %}somewhere{% endif %}",
            "somewhere",
        ),
        ("{{ company_name | urlencode }}", "Orto"),
        ("{{ '{{' }}", "{{"),
        ("a { b } c", "a { b } c"),
        ("100 %} }} #}", "100 %} }} #}"),
    ];
    for (source, result) in table {
        assert_eq!(evaluate(source, &fields).as_deref(), Ok(result), "{source}");
    }
}

#[test]
fn a_field_without_value_and_fallback_is_named() {
    let table: [(&str, &[&str]); 6] = [
        ("{{ last_name }}", &["last_name"]),
        ("{{ city }}", &["city"]),
        ("{{ city | upper }}", &["city"]),
        ("{{ city }} {{ first_name }} {{ street }}", &["city", "street"]),
        ("{{ city | fallback('x') }} {{ street }}", &["street"]),
        ("{% if city %}x{% endif %}{{ street }}", &["street"]),
    ];
    for (source, fields) in table {
        let error = evaluate(source, &[]).expect_err("nothing was printed in its place");
        assert_eq!(error.unresolved(), fields, "{source}");
        assert_eq!(error.place(), &here());
        assert!(error.to_string().contains(fields[0]), "{error}");
    }
}

#[test]
fn a_value_is_data_and_never_evaluated() {
    for value in [
        "{{ email }}",
        "{% for x in y %}",
        "{{ 7 * 7 }}",
        "{# x #}",
        "\"'<b>&",
    ] {
        assert_eq!(evaluate("{{ v }}", &[("v", value)]).as_deref(), Ok(value));
    }
    assert_eq!(
        evaluate("{{ v }}", &[("v", "a\0b\r\nc\u{1b}")]).as_deref(),
        Ok("ab\nc")
    );
}

#[test]
fn what_cannot_be_read_is_an_error_with_its_place() {
    let endless = "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}";
    let doubling = format!(
        "{{% set a = 'xxxxxxxxxxxxxxxx' %}}{}",
        "{% set a = a ~ a %}".repeat(40)
    );
    for source in [
        "{{ first_name",
        "{{ first name }}",
        "{{ first_name | falback('x') }}",
        "{{ first_name | fallback }}",
        "{{ nothing() }}",
        "{% if first_name %}x",
        "{% include 'x' %}",
        "{% macro x() %}{% endmacro %}",
        endless,
        &doubling,
        "{{ 'x' * 999999999 }}",
    ] {
        let mut texts = Texts::new();
        texts.add(source, here());
        let Err(errors) = texts.finish() else {
            panic!("{source} must be refused");
        };
        assert_eq!(errors[0].block, Some(2), "{source}");
        assert_eq!(errors[0].place, "text");
        assert!(errors[0].message.contains("block 3"), "{}", errors[0].message);
    }
}

#[test]
fn a_loop_that_only_some_readers_run_into_ends_by_fuel() {
    let source = "{% if long %}{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}{% endif %}";
    let error = evaluate(
        source.replace("if long", "if long == 'y'").as_str(),
        &[("long", "y")],
    );
    assert!(matches!(error, Err(RenderError::Fuel { .. })), "{error:?}");
}
