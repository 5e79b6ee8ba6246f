//! A small WebDriver client (W3C, https://www.w3.org/TR/webdriver2/): what the window's test needs, no more.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

/// The key under which WebDriver hands out elements (§12.2).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A session with the window.
pub struct Driver {
    agent: ureq::Agent,
    session: String,
}

/// How to find an element.
pub enum By<'a> {
    /// The first button or link with exactly this name on it.
    Named(&'a str),
    /// By a CSS selector.
    Css(&'a str),
}

impl Driver {
    /// Opens `binary` through the driver that listens at `url`.
    pub fn open(url: &str, binary: &Path) -> Driver {
        let agent = agent(Duration::from_secs(180));
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "webkitgtk:browserOptions": {"binary": binary, "args": []}
        }}});
        let made = call(&agent, &format!("{url}/session"), &wanted).expect("the driver opens the window");
        let id = made["sessionId"].as_str().expect("a new session has an id");
        let driver = Driver {
            session: format!("{url}/session/{id}"),
            agent,
        };
        driver
            .post("/timeouts", &json!({"script": 150_000}))
            .expect("the driver takes timeouts");
        driver
    }

    /// Clicks as a person does: the driver scrolls there, and refuses what something else covers.
    pub fn click(&self, by: &By) {
        self.wait_for(
            &format!("the click target {}", by.shown()),
            &format!("return {} !== null", by.script()),
        );
        let element = self.element(by);
        self.post(&format!("/element/{element}/click"), &json!({}))
            .unwrap_or_else(|error| panic!("cannot click {}: {error}\n{}", by.shown(), self.text()));
    }

    /// Calls a command of the core by the way that the page uses; an error of the core is `Err`.
    pub fn command(&self, name: &str, request: &Value) -> Result<Value, Value> {
        let script = "const [name, request, done] = arguments;
            window.__TAURI_INTERNALS__.invoke('dispatch', { name, request })
              .then((ok) => done({ ok }), (error) => done({ error }));";
        let mut answer = self
            .post(
                "/execute/async",
                &json!({"script": script, "args": [name, request]}),
            )
            .unwrap_or_else(|error| panic!("cannot call {name}: {error}"));
        match answer.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(answer["ok"].take()),
        }
    }

    /// Runs `script`, the body of a function.
    pub fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
            .unwrap_or_else(|error| panic!("the script {script:?} failed: {error}"))
    }

    /// Waits until `condition`, the body of a function, is true: asks again whenever the page changes.
    ///
    /// Returns how long that took.
    pub fn wait_for(&self, what: &str, condition: &str) -> Duration {
        self.wait_up_to(Duration::from_secs(20), what, condition)
    }

    /// As [`Driver::wait_for`], for at most `limit`.
    pub fn wait_up_to(&self, limit: Duration, what: &str, condition: &str) -> Duration {
        let script = format!(
            "const done = arguments[0];
            const holds = () => {{ {condition} }};
            const start = performance.now();
            let watch, ticks, end;
            const stop = (took) => {{ watch.disconnect(); clearInterval(ticks); clearTimeout(end); done(took); }};
            const check = () => {{ if (holds()) stop(performance.now() - start); }};
            watch = new MutationObserver(check);
            watch.observe(document, {{ subtree: true, childList: true, attributes: true, characterData: true }});
            ticks = setInterval(check, 100);
            end = setTimeout(() => stop(null), {});
            check();",
            limit.as_millis()
        );
        let took = self
            .post("/execute/async", &json!({"script": script, "args": []}))
            .unwrap_or_else(|error| panic!("waiting for {what} failed: {error}"));
        match took.as_f64() {
            Some(millis) => Duration::from_secs_f64(millis / 1e3),
            None => panic!(
                "{what} did not come in {limit:?}; the window shows:\n{}",
                self.text()
            ),
        }
    }

    /// Waits until `condition` is true of a page that takes this one's place; in between there may be none to ask.
    pub fn wait_for_another_page(&self, condition: &str) {
        let end = std::time::Instant::now() + Duration::from_secs(20);
        let request = json!({"script": condition, "args": []});
        while self.post("/execute/sync", &request) != Ok(json!(true)) {
            assert!(std::time::Instant::now() < end, "no other page came in 20 s");
        }
    }

    /// The text that the window shows.
    pub fn text(&self) -> String {
        self.run("return document.body.innerText")
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Sets the size of the window's outside, in pixels.
    pub fn resize(&self, width: u32, height: u32) {
        self.post(
            "/window/rect",
            &json!({"x": 0, "y": 0, "width": width, "height": height}),
        )
        .expect("the driver sizes the window");
    }

    /// Writes a picture of the window to `file`.
    pub fn photograph(&self, file: &Path) {
        // Colours that are on their way arrive first. Then two frames: the first may have been drawn before the
        // last change, and the picture would be stale.
        let drawn = "const done = arguments[0];
            const ends = (one) => Number.isFinite(one.effect.getComputedTiming().endTime);
            const frame = () => new Promise(requestAnimationFrame);
            document.fonts.ready.then(frame)
                .then(() => Promise.allSettled(document.getAnimations().filter(ends).map((one) => one.finished)))
                .then(frame).then(frame).then(() => done(true));";
        self.post("/execute/async", &json!({"script": drawn, "args": []}))
            .expect("the window draws");
        let picture = self.get("/screenshot").expect("the driver takes a picture");
        let picture = data_encoding::BASE64
            .decode(picture.as_str().expect("a picture is text").as_bytes())
            .expect("a picture is base64");
        std::fs::write(file, picture)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
    }

    /// Closes the window as the driver does, and waits until it is gone.
    pub fn quit(self) {
        let closed = self.agent.delete(&self.session).call();
        assert!(closed.is_ok(), "the driver closes the window: {closed:?}");
    }

    fn element(&self, by: &By) -> String {
        let found = self.run(&format!("return {}", by.script()));
        let id = found[ELEMENT].as_str();
        id.unwrap_or_else(|| panic!("there is no {}; the window shows:\n{}", by.shown(), self.text()))
            .to_owned()
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        call(&self.agent, &format!("{}{path}", self.session), body)
    }

    fn get(&self, path: &str) -> Result<Value, String> {
        answer(self.agent.get(format!("{}{path}", self.session)).call())
    }
}

impl By<'_> {
    /// An expression that yields the element or null.
    fn script(&self) -> String {
        match self {
            By::Css(selector) => format!("document.querySelector({})", json!(selector)),
            By::Named(name) => format!(
                "([...document.querySelectorAll('button, a, [role=button], [role=tab], [role=menuitem]')].find(
                    (one) => (one.getAttribute('aria-label') ?? one.innerText).trim() === {} &&
                        one.getClientRects().length > 0) ?? null)",
                json!(name)
            ),
        }
    }

    fn shown(&self) -> String {
        match self {
            By::Named(name) => format!("button or link named {name:?}"),
            By::Css(selector) => format!("element {selector}"),
        }
    }
}

/// An HTTP client that gives up after `limit` and knows no proxy: everything here is on this machine.
pub fn agent(limit: Duration) -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(limit))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .new_agent()
}

fn call(agent: &ureq::Agent, url: &str, body: &Value) -> Result<Value, String> {
    answer(
        agent
            .post(url)
            .content_type("application/json")
            .send(body.to_string()),
    )
}

/// Takes the value out of an answer; WebDriver's own errors carry a code and a message.
fn answer(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Value, String> {
    let mut response = response.map_err(|error| error.to_string())?;
    let text = response
        .body_mut()
        .read_to_string()
        .map_err(|error| error.to_string())?;
    let mut body: Value = serde_json::from_str(&text).map_err(|error| format!("{error} in {text:?}"))?;
    let value = body["value"].take();
    if response.status().is_success() {
        return Ok(value);
    }
    Err(format!(
        "{}: {}",
        value["error"].as_str().unwrap_or("?"),
        value["message"].as_str().unwrap_or(&text)
    ))
}
