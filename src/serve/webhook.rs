//! `POST /webhook`: look at git now.

use std::time::Duration;

use axum::http::StatusCode;
use futures_util::StreamExt;
use hmac::Mac;
use serde_json::json;
use sqlx::Connection;
use tokio::time::timeout;

use super::ask::{Answer, Ask};
use super::problem::Problem;
use crate::database::registry;
use crate::refresh;

/// The largest delivery, in bytes, as GitHub has it. It is read piece by piece, never held.
const LARGEST: usize = 25 * 1_024 * 1_024;
/// It has this long to come.
const SENDING: Duration = Duration::from_secs(15);
/// Where the signature stands.
const SIGNATURE: &str = "x-hub-signature-256";
/// What a delivery without one is told: no token helps here.
const CHALLENGE: &str = "HMAC-SHA256 header=\"X-Hub-Signature-256\"";

/// Checks the signature over what is sent, and wakes the daemon that leads.
pub(super) async fn webhook(ask: &mut Ask) -> Result<Answer, Problem> {
    let secret = ask.state.keys.webhook()?;
    let refuse = |detail: &str| Problem::unauthorized(CHALLENGE, detail);
    let given: Vec<_> = ask.headers.get_all(SIGNATURE).iter().collect();
    let given = match given.as_slice() {
        [one] => {
            one.to_str().ok().and_then(|text| text.strip_prefix("sha256=")).and_then(|text| hex::decode(text).ok())
        }
        _ => None,
    };
    let given =
        given.ok_or_else(|| refuse("X-Hub-Signature-256 has to be sha256= and a signature in hexadecimal digits"))?;
    let late = |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "what was announced was not sent in time");
    let body = ask.sent();
    let signed = timeout(SENDING, digest(secret, body)).await.map_err(late)??;
    // Compared in a time that tells nothing.
    signed.verify_slice(&given).map_err(|_| refuse("the signature does not fit what was sent"))?;
    let desired = ask.desired()?;
    let (schema, by) = (&desired.project.registry_schema, ask.owner(&desired));
    let mut session = ask.state.pool.session().await?;
    let done = async {
        let mut transaction = session.begin().await?;
        registry::audit(&mut transaction, schema, &by, "webhook", None, &json!({})).await?;
        refresh::wake(&mut transaction, &by.project, "revision").await?;
        transaction.commit().await?;
        Ok(())
    }
    .await;
    session.after(done).await?;
    Ok(Answer::json(&json!({ "status": "accepted" }))?.status(StatusCode::ACCEPTED))
}

async fn digest<M: Mac>(mut signed: M, body: axum::body::Body) -> Result<M, Problem> {
    let mut read = 0;
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Problem::bad("what was announced did not come"))?;
        read += piece.len();
        if read > LARGEST {
            let detail = format!("at most {LARGEST} bytes are read");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "request", detail));
        }
        signed.update(&piece);
    }
    Ok(signed)
}
