//! Values that are equal and not the same, and columns that are compared otherwise than their types.

use datamart::plan;

use super::shop::Shop;
use crate::support::database::{Database, major, run};
use crate::support::folder::Folder;
use crate::support::project::converge;

const CI: &str = "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);";

/// The first refreshes are compared with the query, which would mend what they did wrong.
async fn believed(shop: &Shop, harmless: &str) {
    for _ in 0..4 {
        shop.script(harmless).await;
        shop.refreshed().await;
    }
}

#[test]
fn equal_values_that_print_differently_are_keys_of_their_own() {
    run(async {
        let seed = "CREATE TABLE prices (id int PRIMARY KEY, amount numeric, span interval);
            INSERT INTO prices VALUES (1, 1.0, '1 day'), (2, 1.00, '24:00'), (3, 2, '1 hour'), (4, 9, '9 days')";
        for (column, other) in [("amount", "3"), ("span", "'3 days'")] {
            let query = format!("SELECT {column}::text AS label, count(*) AS n FROM prices GROUP BY 1");
            let shop = Shop::of(seed, &query, "").await;
            believed(&shop, "UPDATE prices SET amount = amount + 1, span = span * 2 WHERE id > 2").await;
            shop.script(&format!("UPDATE prices SET {column} = {other} WHERE id < 3")).await;
            shop.follows().await;
        }
    });
}

/// Words without regard to case, and their kinds.
fn words() -> String {
    format!(
        "{CI} CREATE TABLE words (id int PRIMARY KEY, word text COLLATE ci NOT NULL);
         CREATE TABLE kinds (code text PRIMARY KEY, kind text NOT NULL);
         INSERT INTO kinds VALUES ('a', 'vowel'), ('b', 'consonant'), ('c', 'consonant');
         INSERT INTO words VALUES (1, 'A'), (2, 'b'), (3, 'B')"
    )
}

const BY_KIND: &str = "SELECT k.kind, count(*) AS n FROM words w JOIN kinds k ON k.code = w.word GROUP BY 1";

async fn has_icu() -> bool {
    let has =
        Shop::new("").await.value("SELECT count(*) > 0 FROM pg_collation WHERE collprovider = 'i'").await == "true";
    if !has {
        eprintln!("skipped: PostgreSQL {} was built without ICU", major());
    }
    has
}

#[test]
fn what_is_logged_is_compared_as_in_its_table() {
    run(async {
        if !has_icu().await {
            return;
        }
        let shop = Shop::of(&words(), BY_KIND, "").await;
        believed(&shop, "INSERT INTO words SELECT max(id) + 1, 'a' FROM words").await;
        shop.script("INSERT INTO words VALUES (100, 'C')").await;
        shop.follows().await;
        shop.script("DELETE FROM words WHERE id = 1").await;
        shop.follows().await;
    });
}

#[test]
fn readers_and_writers_compare_as_the_table_does() {
    run(async {
        if !has_icu().await {
            return;
        }
        let fresh = "strategy = \"incremental\"\nfresh = true\n[refresh.incremental]\nmethod = \"changes\"\n";
        for refresh in [fresh, "strategy = \"on_commit\"\n"] {
            let manifest = format!("type = \"table\"\nquery = \"{BY_KIND}\"\n[refresh]\n{refresh}");
            let shop = Shop { database: Database::new().await, folder: Folder::of(&[("mart.toml", &manifest)]) };
            shop.script(&words()).await;
            converge(&shop.database, shop.folder.path(), &plan::Options::default()).await;
            for change in ["INSERT INTO words VALUES (100, 'C')", "DELETE FROM words WHERE id = 1"] {
                shop.script(change).await;
                shop.is_exact().await;
            }
        }
    });
}
