use super::*;

fn errors(args: TokenStream, item: TokenStream) -> usize {
    expand(args, item).to_string().matches("compile_error").count()
}

fn squeezed(tokens: &TokenStream) -> String {
    tokens.to_string().split_whitespace().collect()
}

#[test]
fn a_function_becomes_one_call_with_its_body_inside() {
    let written = expand(
        quote!(key = "job:<id>", ttl = "30s"),
        quote! { #[doc = "d"] pub async fn run(id: u64, _permit: Permit) -> Result<(), E> { work(id).await } },
    );
    let expected = quote! {
        #[doc = "d"]
        pub async fn run(id: u64, _permit: Permit) -> Result<(), E> {
            ::lock_runtime::__private::settle::<Result<(), E> >(
                ::lock_runtime::__private::run(
                    {
                        let __request = ::lock_runtime::__private::request("job:<id>");
                        let __request = ::lock_runtime::__private::with_key(
                            __request,
                            ::lock_runtime::__private::rendered(&[
                                ::lock_runtime::__private::text("job:"),
                                ::lock_runtime::__private::named(
                                    "id",
                                    ::lock_runtime::__private::value::<u64>(&id)
                                )
                            ])
                        );
                        let __request = __request.ttl(::core::time::Duration::new(30u64, 0u32));
                        __request
                    },
                    async move {
                        #[allow(clippy::used_underscore_binding)]
                        let _ = &_permit;
                        let _ = &id;
                        {
                            #[allow(unreachable_code)]
                            if let ::core::option::Option::Some(__returned) = ::core::option::Option::None::<Result<(), E> > {
                                return __returned;
                            }
                            work(id).await
                        }
                    }
                ).await
            )
        }
    };
    assert_eq!(squeezed(&written), squeezed(&expected));
}

#[test]
fn names_are_bound_anew_only_where_one_is_mut() {
    let written = squeezed(&expand(
        quote!(key = "k"),
        quote!(
            async fn f(mut self, a: A, P(mut b): P, ref mut c: C) -> R {}
        ),
    ));
    assert!(written.contains("f(mutself,a:A,P(b):P,refmutc:C)"), "{written}");
    assert!(written.contains("let_=&self;leta=a;let_=&a;letmutb=b;let_=&b;letc=c;let_=&c;"), "{written}");
    let written = squeezed(&expand(
        quote!(key = "k"),
        quote!(
            async fn f(mut self, a: A, b: B) -> R {}
        ),
    ));
    assert!(written.contains("asyncmove{let_=&b;let_=&a;let_=&self;"), "{written}");
}

#[test]
fn an_upper_attribute_takes_the_lower_ones_and_is_the_outer_lock() {
    let item = |attributes: TokenStream| quote!(#attributes async fn f(a: u8, mut b: u8) -> R { body });
    let written = squeezed(&expand(
        quote!(key = "outer"),
        item(quote!(#[x] #[distributed_lock(key = "inner", crate = other)] #[y])),
    ));
    assert!(written.starts_with("#[x]#[y]asyncfnf(a:u8,b:u8)->R{::lock_runtime::__private::settle::<R>("), "{written}");
    let inner = written.find("asyncmove{let_=&b;let_=&a;other::__private::settle").expect(&written);
    assert!(written.find("outer") < Some(inner) && Some(inner) < written.find("inner"), "{written}");
    assert_eq!(written.matches("letmutb=b;").count(), 1, "bound anew in the body alone");
}

#[test]
fn faults_of_lower_attributes_are_told_once() {
    let lower = |attribute: TokenStream| {
        let written = expand(quote!(key = "<idd>"), quote!(#attribute async fn f(id: u8) -> R { body })).to_string();
        assert!(written.starts_with("async fn f (id : u8) -> R { body }"), "{written}");
        written.matches("compile_error").count()
    };
    assert_eq!(lower(quote!(#[distributed_lock(key = "<idx>", ttl = 3)])), 3);
    assert_eq!(lower(quote!(#[distributed_lock])), 2);
}

#[test]
fn an_upper_attribute_that_did_not_see_this_one_is_told() {
    let upper = expand(
        quote!(key = "outer"),
        quote!(
            async fn f() -> R {
                body
            }
        ),
    );
    let written = expand(quote!(key = "inner"), upper).to_string();
    assert!(written.contains("has a lock from an attribute above"), "{written}");
}

#[test]
fn each_way_to_settle_is_chosen_by_its_options() {
    let settle = |options: TokenStream| {
        squeezed(&expand(
            quote!(key = "k", #options),
            quote!(
                async fn f() -> R {}
            ),
        ))
    };
    assert!(settle(quote!()).contains("::settle::<R>("));
    assert!(settle(quote!(on_busy = "skip")).contains("::settle_or_skip::<R>("));
    assert!(settle(quote!(or_else = skip)).contains("::settle_or_else("));
    assert!(settle(quote!(or_else = skip, on_busy = "skip")).contains("::settle_or_skip_or_else("));
    assert!(settle(quote!(crate = a::b)).contains("a::b::__private::run("));
}

#[test]
fn each_option_is_told_to_the_request() {
    let written = squeezed(&expand(
        quote!(key = job.key(), wait = "forever", renew = false, min_hold = m(), on_lost = "continue", client = &locks),
        quote!(
            async fn f() -> R {}
        ),
    ));
    for call in [
        "::lock_runtime::__private::request(::core::stringify!(job.key()));",
        "::lock_runtime::__private::with_key(__request,::lock_runtime::__private::key(&job.key()));",
        "__request.wait_forever();",
        "__request.renew(false);",
        "__request.min_hold(m());",
        "__request.continue_when_lost();",
        "::lock_runtime::__private::with_client(__request,&locks);",
    ] {
        assert!(written.contains(&format!("let__request={call}")), "{call} in {written}");
    }
}

#[test]
fn several_keys_are_written_in_their_place_and_told_last() {
    let written = squeezed(&expand(
        quote!(ttl = first(), keys = ["a:<from>", to.key()], wait = "forever"),
        quote!(
            async fn f(from: u64, to: To) -> R {}
        ),
    ));
    for piece in [
        r#"::lock_runtime::__private::request(::core::concat!("a:<from>",",",::core::stringify!(to.key())));"#,
        "let__request=__request.ttl(first());let__keys=[::lock_runtime::__private::rendered(",
        "::lock_runtime::__private::key(&to.key())];let__request=__request.wait_forever();",
        "::lock_runtime::__private::with_keys(__request,__keys)},asyncmove{",
        "::lock_runtime::__private::run_all({",
    ] {
        assert!(written.contains(piece), "{piece} in {written}");
    }
    let faults = errors(
        quote!(keys = ["a:<form>", "b:<to>", "c:<from>"]),
        quote!(
            async fn f(from: u64) -> R {}
        ),
    );
    assert_eq!(faults, 2, "each placeholder is looked for");
}

#[test]
fn braces_are_formatted_and_undoubled_angles_take_another_literal() {
    let key = |key: &str| {
        squeezed(&expand(
            quote!(key = #key),
            quote!(
                async fn f(id: u64, w: usize) -> R {}
            ),
        ))
    };
    assert!(key("a{id:>w$}").contains(r#"format_args!("a{id:>w$}",id=id,w=w)"#), "{}", key("a{id:>w$}"));
    assert!(key("<<{id}{{").contains(r#"format_args!("<{id}{{",id=id)"#));
    assert!(key("{CONST}").contains(r#"format_args!("{CONST}")"#));
    assert!(key("<<{{").contains(r#"text("<{")"#));
}

#[test]
fn on_a_fault_the_function_stays_as_it_was() {
    let item = quote!(#[a] pub async fn f(id: u64) -> R { half. });
    let written = expand(quote!(key = "<idd>"), item.clone()).to_string();
    assert!(written.starts_with(&item.to_string()), "{written}");
    assert!(written.contains("compile_error"));
}

#[test]
fn a_function_that_returns_nothing_needs_or_else() {
    assert_eq!(
        errors(
            quote!(key = "k"),
            quote!(
                async fn f() {}
            )
        ),
        1
    );
    assert_eq!(
        errors(
            quote!(key = "k"),
            quote!(
                async fn f() -> () {}
            )
        ),
        1
    );
    assert_eq!(
        errors(
            quote!(key = "k", on_busy = "skip"),
            quote!(
                async fn f() {}
            )
        ),
        1
    );
    assert_eq!(
        errors(
            quote!(key = "k", or_else = skip),
            quote!(
                async fn f() {}
            )
        ),
        0
    );
    assert_eq!(
        errors(
            quote!(key = "k", or_else = "skip"),
            quote!(
                async fn f() {}
            )
        ),
        1,
        "not told twice"
    );
}

/// Half-typed attributes and functions arrive at every key stroke in an editor.
#[test]
fn no_input_makes_it_panic() {
    let args = r#"key = "a:<id>:{x}<job.r#self>", ttl = "1m30s", wait = 5 renew = , or_else = |e| e, crate = "x", client = &(a), on_busy on_lost = "x""#;
    let good = r#"key = "job:<id>:<job.0.r#type>", ttl = "30s", client = self.locks, or_else = |_| ()"#;
    let item = "#[a] pub(crate) async fn f<'a, T: X>(&self, id: &'a T, Job { x, .. }: Job, _: u8) -> Result<impl X, E> where T: Y { body(1)?; #![x] }";
    let boxed = "fn f(&self, id: u8) -> Pin<Box<dyn Future<Output = R> + Send>> { Box::pin(async move { let __self = self; let _: () = { x }; }) }";
    let keys = r#"keys = ["a:<id>", ("b"), KEY, [1], "<"], keys = [], key = x"#;
    for (args, item) in [(args, item), (good, item), (good, boxed), (args, boxed), (keys, item)] {
        for (args, item) in broken(args)
            .into_iter()
            .map(|args| (args, item.into()))
            .chain(broken(item).into_iter().map(|item| (good.into(), item)))
        {
            if let (Ok(args), Ok(item)) = (args.parse(), item.parse()) {
                expand(args, item);
            }
        }
    }
}

/// The text cut short after each token, with each token left out, and with each said twice.
fn broken(text: &str) -> Vec<String> {
    let tokens = flat(text.parse().expect("tokens"));
    let mut all = vec![text.to_string()];
    for at in 0..tokens.len() {
        all.push(tokens[..at].join(" "));
        all.push(balanced(&tokens[..at]));
        all.push([&tokens[..at], &tokens[at + 1..]].concat().join(" "));
        all.push([&tokens[..at], &tokens[at..=at], &tokens[at..]].concat().join(" "));
    }
    all
}

fn flat(tokens: TokenStream) -> Vec<String> {
    let mut all = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                let whole = group.to_string();
                let (open, close) = (whole.chars().next(), whole.chars().last());
                all.extend(open.map(String::from));
                all.extend(flat(group.stream()));
                all.extend(close.map(String::from));
            }
            TokenTree::Punct(punct) if punct.as_char() == '\'' => all.push("'static".into()),
            token => all.push(token.to_string()),
        }
    }
    all
}

/// Closes what was opened, as an editor does.
fn balanced(tokens: &[String]) -> String {
    let mut open = Vec::new();
    for token in tokens {
        match token.as_str() {
            "(" => open.push(")"),
            "[" => open.push("]"),
            "{" => open.push("}"),
            ")" | "]" | "}" => {
                open.pop();
            }
            _ => {}
        }
    }
    format!("{} {}", tokens.join(" "), open.into_iter().rev().collect::<Vec<_>>().join(" "))
}
