// The server of hyper that stands beside `creche demo` and nginx in tools/bench http: one thread,
// the same answer. Prints "listening on 127.0.0.1:PORT".
use hyper::service::{make_service_fn, service_fn};
use hyper::{header, Body, Request, Response, Server};
use std::convert::Infallible;

async fn hello(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    let mut answer = Response::new(Body::from("hello world\n"));
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain"));
    Ok(answer)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let each = make_service_fn(|_| async { Ok::<_, Infallible>(service_fn(hello)) });
    let server = Server::bind(&([127, 0, 0, 1], 0).into())
        .tcp_nodelay(true)
        .serve(each);
    println!("listening on {}", server.local_addr());
    server.await.unwrap();
}
