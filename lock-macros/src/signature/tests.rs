use quote::quote;

use super::*;

fn read(item: TokenStream) -> (Option<Function>, String) {
    let mut faults = Faults::default();
    let function = Function::parse(item, &mut faults);
    (function, faults.into_compile_errors().to_string())
}

fn function(item: TokenStream) -> Function {
    let (function, errors) = read(item);
    assert_eq!(errors, "");
    function.expect("a function")
}

fn fault(item: TokenStream) -> String {
    let (_, errors) = read(item);
    assert_eq!(errors.matches("compile_error").count(), 1, "{errors}");
    errors
}

fn names(function: &Function) -> Vec<String> {
    function.bindings.iter().map(|binding| binding.name.to_string()).collect()
}

#[test]
fn every_name_that_a_pattern_binds_is_found() {
    let found = function(quote! {
        async fn f(&mut self, mut a: A, ref b: B, Path(c): P, (d, (_, e)): T, [f, rest @ ..]: S, Job { g, h: Some(i), .. }: J, &j: &u8, _: u8) {}
    });
    assert_eq!(names(&found), ["self", "a", "b", "c", "d", "e", "f", "rest", "g", "i", "j"]);
    assert!(found.binding("a").is_some_and(|a| a.ty.is_some()));
    assert!(found.binding("c").is_some_and(|c| c.ty.is_none()), "its type is not the argument's");
}

#[test]
fn raw_names_are_found_either_way() {
    let found = function(quote!(
        async fn f(r#type: u8) {}
    ));
    assert!(found.binding("type").is_some() && found.binding("r#type").is_some());
}

#[test]
fn conditions_go_with_the_names() {
    let found = function(quote!(
        async fn f(
            #[cfg(a)] (
                x,
                J {
                    #[cfg(b)]
                    y,
                    ..
                },
            ): T,
            #[other] z: u8,
        ) {
        }
    ));
    let counts: Vec<usize> = found.bindings.iter().map(|binding| binding.conditions.len()).collect();
    assert_eq!(counts, [1, 2, 0]);
}

#[test]
fn a_body_in_an_invisible_group_is_a_body() {
    let body = Group::new(Delimiter::None, quote!({ 1 }));
    assert!(
        matches!(function(quote!(async fn f() -> u8 #body)).body, Body::Plain(body) if body.stream().to_string() == "1")
    );
}

#[test]
fn inner_attributes_become_outer_ones() {
    let found = function(quote!(
        #[a]
        async fn f() {
            #![allow(x)]
            #![doc = "y"]
            1
        }
    ));
    assert_eq!(found.attributes.len(), 3);
    assert!(matches!(found.body, Body::Plain(body) if body.stream().to_string() == "1"));
}

#[test]
fn a_body_need_not_be_valid() {
    assert!(matches!(function(quote!(async fn f() { let x = self. ; # })).body, Body::Plain(_)));
}

#[test]
fn what_async_trait_makes_is_recognised() {
    let found = function(quote! {
        fn f<'life0, 'async_trait>(&'life0 self, id: u64, __arg2: (u8, u8))
            -> ::core::pin::Pin<Box<dyn ::core::future::Future<Output = Result<(), E>> + ::core::marker::Send + 'async_trait>>
        {
            Box::pin(async move {
                if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<Result<(), E>> { return __ret; }
                let __self = self;
                let id = id;
                let (a, mut b) = { let __arg2 = __arg2; __arg2 };
                let __ret: Result<(), E> = { Ok(()) };
                __ret
            })
        }
    });
    assert_eq!(names(&found), ["self", "id", "a", "b"]);
    let Body::Boxed(boxed) = found.body else { panic!("not boxed") };
    assert_eq!(boxed.arguments.len(), 3, "the edge and two arguments stay before the lock");
    assert!(boxed.guarded.to_string().starts_with("{ let __self = self ;"), "{}", boxed.guarded);
}

#[test]
fn a_hand_written_boxed_future_is_recognised() {
    let found = function(quote! {
        fn f(id: u64) -> Pin<Box<dyn Future<Output = u8> + Send>> { let x = id; Box::pin(async move { let y = x; y as u8 }) }
    });
    let Body::Boxed(boxed) = found.body else { panic!("not boxed") };
    assert_eq!((boxed.before.len(), boxed.arguments.len()), (1, 0));
    assert!(
        fault(quote!(
            fn f() -> Pin<Box<dyn Future<Output = u8>>> {
                Box::pin(async { 1 })
            }
        ))
        .contains("async fn")
    );
    assert!(
        fault(quote!(
            fn f() -> Pin<Box<dyn Future<Output = u8>>> {
                made_elsewhere()
            }
        ))
        .contains("async fn")
    );
}

#[test]
fn what_cannot_be_guarded_is_told_why() {
    assert!(
        fault(quote!(
            struct S;
        ))
        .contains("this is none")
    );
    assert!(fault(quote!()).contains("this is none"));
    assert!(fault(quote!(async fn 1() {})).contains("expected identifier"), "what cannot be read is told as it is");
    assert!(
        fault(quote!(
            fn f() {}
        ))
        .contains("write `async fn f`")
    );
    assert!(
        fault(quote!(
            const fn f() {}
        ))
        .contains("take `const` away")
    );
    assert!(
        fault(quote!(
            extern "C" fn f() {}
        ))
        .contains("foreign ABI")
    );
    assert!(
        fault(quote!(
            async fn f();
        ))
        .contains("put `#[distributed_lock]` on the implementation")
    );
    let main = quote!(
        fn main() {
            tokio::runtime::Builder::new_current_thread().build().block_on(body);
        }
    );
    assert!(fault(main).contains("swap the two"));
}

#[test]
fn unknown_placeholders_list_the_arguments() {
    let unknown = |item: TokenStream, key: &str| {
        let mut faults = Faults::default();
        let template = crate::key::parse(key).expect(key);
        function(item).check_placeholders(&template, &LitStr::new(key, Span::call_site()), &mut faults);
        faults.into_compile_errors().to_string()
    };
    let pay = || {
        quote!(
            async fn pay(id: u64, amount: u64) {}
        )
    };
    assert!(
        unknown(pay(), "<idd>")
            .contains("`pay` has no argument `idd`; its arguments are `id`, `amount`; did you mean `id`?")
    );
    assert!(unknown(pay(), "<self.x>").contains("has no `self`; its arguments are `id`, `amount`"));
    assert!(
        unknown(
            quote!(
                async fn f() {}
            ),
            "<x>"
        )
        .contains("no arguments at all")
    );
    assert!(
        unknown(
            quote!(
                async fn f() {}
            ),
            "<self>"
        )
        .contains("`f` has no `self`, and no arguments at all")
    );
    assert_eq!(unknown(pay(), "<id>:<amount.x>"), "");
}
