//! The registration of users, and the offers that they see.

use quickcart::shop::orders::place;
use quickcart::shop::products::offers;
use quickcart::shop::status::MemberStatus;
use quickcart::shop::users::{NewUser, RegisterError, find, register};
use rust_decimal::Decimal;

use crate::{contents, new_order, run, seeded, with_databases};

#[test]
fn a_user_is_registered_once_with_a_bank_id_of_six_digits() {
    with_databases(async |databases| {
        let mut connection = databases.main().await;
        let new = NewUser { id: 7_000_000_001, name: "Siti", username: Some("siti") };
        let user = register(&mut connection, &new).await.unwrap();
        assert_eq!((user.id, user.name.as_str(), user.username.as_deref()), (7_000_000_001, "Siti", Some("siti")));
        assert!(user.bank_id.len() == 6 && user.bank_id.bytes().all(|byte| byte.is_ascii_digit()), "{user:?}");
        assert_eq!(
            (user.member_status, user.account_balance, user.is_banned),
            (MemberStatus::Customer, Decimal::ZERO, false)
        );
        assert_eq!(find(&mut connection, user.id).await.unwrap(), Some(user));
        assert_eq!(find(&mut connection, 1).await.unwrap(), None);

        let before = contents(&mut connection).await;
        let error = register(&mut connection, &new).await.unwrap_err();
        assert!(matches!(error, RegisterError::AlreadyRegistered), "{error}");
        let error = register(&mut connection, &NewUser { id: 1, ..new }).await.unwrap_err();
        assert!(matches!(error, RegisterError::UsernameTaken), "{error}");
        assert_eq!(contents(&mut connection).await, before);
    });
}

#[test]
fn a_bank_id_that_is_taken_is_not_given_again() {
    with_databases(async |databases| {
        let mut connection = databases.main().await;
        // PostgreSQL finds this function first. It returns the same "random" numbers every time.
        run(
            &mut connection,
            "CREATE SCHEMA fixed; CREATE SEQUENCE fixed.draws;
             CREATE FUNCTION fixed.gen_random_uuid() RETURNS uuid LANGUAGE sql AS
                 $$SELECT ('00000000-0000-0000-0000-00000000000' || nextval('fixed.draws') / 3)::uuid$$;
             SET search_path = fixed, pg_catalog, public",
        )
        .await;
        let mut bank_ids = Vec::new();
        for id in 1..=3 {
            let user = register(&mut connection, &NewUser { id, name: "x", username: None }).await.unwrap();
            bank_ids.push(user.bank_id);
        }
        assert_eq!(bank_ids, ["000000", "100000", "200000"]);
    });
}

#[test]
fn offers_have_the_members_price_and_the_units_that_are_left() {
    with_databases(async |databases| {
        let mut connection = seeded(databases).await;
        run(&mut connection, "UPDATE users SET member_status = 'reseller' WHERE id = 1").await;
        let order = place(&mut connection, new_order(1, 2)).await.unwrap();
        assert_eq!(order.subtotal, 24_000.into());
        for (member, price) in [(MemberStatus::Customer, 15_000), (MemberStatus::Reseller, 12_000)] {
            let offers = offers(&mut connection, member).await.unwrap();
            let seen: Vec<_> = offers.iter().map(|o| (o.name.as_str(), o.price, o.available)).collect();
            assert_eq!(seen, [("Key", price.into(), 1), ("Rare", 99_000.into(), 0)]);
        }
    });
}
