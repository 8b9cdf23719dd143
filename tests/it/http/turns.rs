//! How long a request waits for its turn at a host that holds others.

use super::*;

#[tokio::test]
async fn the_wait_for_a_turn_counts_as_the_rest_does() {
    let patience = Duration::from_millis(300);
    let patient = client(&still());
    let hasty = patient.clone().with_patience(patience);
    let (address, count) = raw(async |stream: tokio::net::TcpStream, _| {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    // As many as one host may hold, and none of them gets an answer.
    let mut held = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (patient, url) = (patient.clone(), format!("http://{address}/"));
        held.spawn(async move { ask(&patient, "GET", &url).await });
    }
    while count.load(Ordering::SeqCst) < 6 {
        tokio::task::yield_now().await;
    }
    let start = Instant::now();
    let error = failed(ask(&hasty, "GET", &format!("http://{address}/")).await);
    assert_eq!(error.code(), "http.busy", "{error}");
    assert!(start.elapsed() < Duration::from_secs(2), "it waited for {:?}", start.elapsed());
    // One that was led there has even less time left.
    let lead = serve(Router::new().fallback(async move || Redirect::temporary(&format!("http://{address}/")))).await;
    let start = Instant::now();
    assert_eq!(failed(ask(&hasty, "GET", &format!("http://{lead}/")).await).code(), "http.busy");
    assert!(start.elapsed() < Duration::from_secs(2), "it waited for {:?}", start.elapsed());
    held.shutdown().await;
}
