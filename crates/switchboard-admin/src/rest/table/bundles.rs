//! Bundles that are pushed.

use http::Method;
use schemars::JsonSchema;
use serde::Serialize;
use switchboard_core::Area;
use switchboard_core::store::tables;

use crate::access::Right::{Inspect, Manage};
use crate::desk::Upload;
use crate::moment::Moment;
use crate::record::{Bundle, BundleWish, RollbackWish};
use crate::rest::route::{Answer, Route};
use crate::rest::table::{Nothing, found, page, versioned};

/// Where an archive can be uploaded.
#[derive(JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
struct UploadAddress {
    /// To which the archive is sent with `PUT`, as `application/zip`.
    url: String,
    /// What to give as `upload` afterwards.
    key: String,
    expires_at: Moment,
}

impl From<Upload> for UploadAddress {
    fn from(Upload { url, key, expires }: Upload) -> Self {
        Self { url, key, expires_at: expires }
    }
}

pub(super) fn routes() -> Vec<Route> {
    let (sees, may) = (Inspect(Area::Functions), Manage(Area::Functions));
    vec![
        Route::get(
            "/bundles",
            sees,
            "Bundles that were pushed, by name.",
            |desk, call| async move {
                let listed = desk.rows(&tables::BUNDLES, &call.page()?.query(false)?).await?;
                Ok(page(&listed, |row| Bundle::from(row)))
            },
        )
        .paged(&[]),
        Route::get("/bundles/{name}", sees, "A bundle.", |desk, call| async move {
            let row = desk.row(&tables::BUNDLES, call.part()).await?;
            let row = found(row, "bundle", call.part())?;
            Ok(versioned(Bundle::from(&row), |bundle| bundle.version))
        })
        .versioned(),
        Route::with_body(
            (Method::PUT, "/bundles/{name}"),
            may,
            "Makes a bundle, or has it served in another version or with another definition. What \
             cannot be served is refused, and what is served stays.",
            |desk, call, wish: BundleWish| async move {
                let bundle = desk.put_bundle(call.part(), wish, call.version).await?;
                Ok(versioned(bundle, |bundle| bundle.version))
            },
        )
        .versioned()
        .large(),
        Route::delete(
            "/bundles/{name}",
            may,
            "Deletes a bundle and its versions.",
            |desk, call| async move { desk.remove_bundle(call.part(), call.version).await },
        )
        .versioned(),
        Route::get(
            "/bundles/{name}/versions",
            sees,
            "The versions that are kept of a bundle, those first that were pushed last.",
            |desk, call| async move { desk.bundle_versions(call.part()).await.map(Answer::of) },
        ),
        Route::with_body(
            (Method::POST, "/bundles/{name}/rollback"),
            may,
            "Has an older version served again.",
            |desk, call, wish: RollbackWish| async move {
                let bundle = desk.roll_back(call.part(), wish, call.version).await?;
                Ok(versioned(bundle, |bundle| bundle.version))
            },
        )
        .versioned(),
        Route::with_body(
            (Method::POST, "/bundles/{name}/upload"),
            may,
            "An address for the archive of a bundle that is too large for a request.",
            |desk, call, _: Nothing| async move {
                desk.bundle_upload(call.part()).await.map(UploadAddress::from).map(Answer::of)
            },
        ),
    ]
}
