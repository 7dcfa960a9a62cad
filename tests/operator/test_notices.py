"""Notices: what is due by a status, and what a real HTTP sink gets of it."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from support import resources
from support.apiserver import ApiServer, serve
from support.lives import KEY, begun, built, failed, started
from support.operator_process import wait_until
from support.proxy import running_proxy
from support.resources import DIGEST, IMAGE, NOW, image_build
from yadokari_api.keys import Key
from yadokari_api.status import Status
from yadokari_contract.proxies import Proxies, read_proxies
from yadokari_operator import reports
from yadokari_operator.cluster.api import Api
from yadokari_operator.cluster.resources import Cluster
from yadokari_operator.handlers.controller import Controller
from yadokari_operator.handlers.memory import Memory
from yadokari_operator.handlers.policies import Policies
from yadokari_operator.handlers.telling import Telling
from yadokari_operator.metrics import Metrics
from yadokari_operator.notices.notice import Notice, due, mark_of, signature
from yadokari_operator.notices.sender import Sender
from yadokari_operator.progress.following import Following
from yadokari_operator.settings import Settings


def building() -> Status:
    return reports.building(image_build(), started(), NOW)


def told(status: Status, mark: str | None) -> list[str]:
    return [notice.kind for notice in due(image_build(), replace(status, notified=mark))]


@pytest.mark.parametrize(
    ("mark", "kinds"),
    [("1/", ["started", "succeeded"]), ("1/started", ["succeeded"]), ("1/succeeded", []), (None, [])],
)
def test_what_was_not_told_yet_is_due(mark: str | None, kinds: list[str]) -> None:
    assert told(built(building()), mark) == kinds


def test_a_build_is_told_of_when_it_runs_and_not_before() -> None:
    assert told(started(), "1/") == []
    assert told(building(), "1/") == ["started"]
    assert told(failed("StepFailed"), "1/started") == ["failed"]


def test_a_run_is_marked_when_it_begins_and_as_it_is_told() -> None:
    assert mark_of(Status(), begun(), "") == "1/"
    marked = replace(begun(), notified="1/")
    assert mark_of(marked, building(), "1/started") == "1/started"
    assert mark_of(replace(marked, notified="1/started"), building(), "1/") == "1/started"
    assert mark_of(marked, building(), "7/succeeded") == "1/"


def test_runs_that_began_before_there_was_a_sink_are_not_told() -> None:
    assert mark_of(building(), built(building()), "") is None


def notice(name: str = "app") -> Notice:
    build = image_build(name=name, uid=name)
    (_, ended) = due(build, replace(built(building()), notified="1/"))
    return ended


def test_a_notice_is_a_cloud_event() -> None:
    event = json.loads(notice().as_cloud_event())
    assert event | {"id": "", "data": {}} == {
        "specversion": "1.0",
        "id": "",
        "source": "/apis/yadokari.dev/v1alpha1/namespaces/team/imagebuilds/app",
        "type": "dev.yadokari.build.succeeded",
        "subject": "team/app",
        "time": "2026-01-02T03:04:05Z",
        "datacontenttype": "application/json",
        "data": {},
    }
    assert event["data"]["digest"] == DIGEST
    assert event["data"]["image"] == IMAGE
    assert event["id"] == notice().id != notice("other").id


def test_people_are_told_in_words_that_call_nobody() -> None:
    assert json.loads(notice().as_text()) == {"text": f"ImageBuild team/app succeeded: {DIGEST}"}
    ping = replace(notice(), data={"message": "<!channel> & co"})
    assert "&lt;!channel&gt; &amp; co" in json.loads(ping.as_text())["text"]
    # As Mattermost and Rocket.Chat read it.
    named = replace(notice(), data={"message": "@all see [us](http://evil.example) about app@sha256:1"})
    said = json.loads(named.as_text())["text"]
    assert said.endswith(": @\u200ball see [us]\u200b(http://evil.example) about app@sha256:1")


def test_a_signature_is_that_of_the_specifications_own_example() -> None:
    # https://github.com/standard-webhooks/standard-webhooks, the test vector of its libraries.
    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    made = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


class Sink(ThreadingHTTPServer):
    """Takes notices; answers with `answers` in turn, then with 204; takes nothing that is about `poison`.

    If it `is_endless` its answers go on for as long as somebody reads them.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[int] = []
        self.poison = ""
        self.is_endless = False
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook"

    @property
    def subjects(self) -> list[str]:
        return [json.loads(body)["subject"] for _, body in self.got]


class _Handler(BaseHTTPRequestHandler):
    server: Sink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        if self.server.poison and self.server.poison in self.server.subjects[-1]:
            self.send_response(500)
        else:
            self.send_response(self.server.answers.pop(0) if self.server.answers else 204)
        self.end_headers()
        with suppress(OSError):
            while self.server.is_endless:
                self.wfile.write(b"more\n")
                time.sleep(0.01)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        thread = threading.Thread(target=sink.serve_forever, args=(0.01,))
        thread.start()
        yield sink
        sink.shutdown()
        thread.join()


@pytest.fixture
def changed() -> list[Key]:
    return []


def sending(url: str, changed: list[Key], key: str = "") -> Sender:
    sender = Sender(url, key, "CloudEvents", changed.append, Proxies())
    threading.Thread(target=sender.run, daemon=True).start()
    return sender


def test_a_sink_gets_signed_notices_in_order(sink: Sink, changed: list[Key]) -> None:
    sender = sending(sink.url, changed, "a key of mine")
    sender.offer(KEY, due(image_build(), replace(built(building()), notified="1/")))
    wait_until(lambda: sender.told(KEY) == "1/succeeded")
    assert [json.loads(body)["type"].rpartition(".")[2] for _, body in sink.got] == ["started", "succeeded"]
    headers, body = sink.got[-1]
    assert headers["content-type"] == "application/cloudevents+json"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = hmac.new(b"a key of mine", signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(wanted).decode()}"
    # As GitHub's, by the library of which Flux's generic-hmac receivers look at it.
    assert headers["x-signature"] == f"sha256={hmac.new(b'a key of mine', body, hashlib.sha256).hexdigest()}"
    assert changed == [KEY, KEY]


@pytest.mark.parametrize("url", ["http://hooks.test/s3cr3t", "http://exempt.test/s3cr3t"])
def test_a_sink_is_reached_by_the_proxy_of_the_environment(
    sink: Sink, changed: list[Key], caplog: pytest.LogCaptureFixture, url: str
) -> None:
    port = sink.server_address[1]
    with running_proxy({"hooks.test": "127.0.0.1"}, login="me:pass word") as proxy:
        environment = {
            "HTTP_PROXY": f"http://me:pass%20word@{proxy.host}",
            "NO_PROXY": ".exempt.test,exempt.test",
        }
        settings = Settings.from_environment(environment)
        where = url.replace(".test/", f".test:{port}/")
        sender = Sender(where, "", "CloudEvents", changed.append, settings.proxies)
        threading.Thread(target=sender.run, daemon=True).start()
        sender.offer(KEY, [notice()])
        if "exempt" in url:
            wait_until(lambda: "does not take a notice" in caplog.text)
            assert proxy.asked == []
        else:
            wait_until(lambda: sender.told(KEY) == "1/succeeded")
            assert proxy.asked == [f"POST {where}"]
            assert "proxy-authorization" not in sink.got[0][0]
    assert "pass" not in caplog.text + repr(settings)


def test_a_proxy_that_refuses_is_no_refusal_of_the_sink(
    sink: Sink, changed: list[Key], caplog: pytest.LogCaptureFixture
) -> None:
    with running_proxy({}, login="me:s3cr3t") as proxy:
        proxies = read_proxies({"HTTP_PROXY": f"http://me:wr0ng@{proxy.host}"})
        sender = Sender("http://hooks.test/", "", "CloudEvents", changed.append, proxies)
        threading.Thread(target=sender.run, daemon=True).start()
        sender.offer(KEY, [notice()])
        wait_until(lambda: "407: trying again" in caplog.text)
    assert "wr0ng" not in caplog.text


def test_a_hook_as_slack_has_them_gets_a_text_as_json(sink: Sink, changed: list[Key]) -> None:
    sender = Sender(sink.url, "", "Text", changed.append, Proxies())
    threading.Thread(target=sender.run, daemon=True).start()
    sender.offer(KEY, [notice()])
    wait_until(lambda: bool(sink.got))
    headers, body = sink.got[0]
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {"text": f"ImageBuild team/app succeeded: {DIGEST}"}


@pytest.mark.parametrize(("answers", "tries"), [([503, 429], 3), ([400], 1), ([302], 1)])
def test_what_may_be_taken_later_is_sent_again(
    sink: Sink, changed: list[Key], answers: Sequence[int], tries: int
) -> None:
    sink.answers = [*answers]
    sender = sending(sink.url, changed)
    sender.offer(KEY, [notice()])
    wait_until(lambda: sender.told(KEY) == "1/succeeded")
    assert len(sink.got) == tries
    assert len({headers["webhook-id"] for headers, _ in sink.got}) == 1


def test_an_answer_without_end_holds_up_no_notice(sink: Sink, changed: list[Key]) -> None:
    sink.is_endless, sink.answers = True, [200, 503]
    sender = sending(sink.url, changed)
    sender.offer(KEY, due(image_build(), replace(built(building()), notified="1/")))
    wait_until(lambda: sender.told(KEY) == "1/succeeded")
    sink.is_endless = False


def test_a_notice_that_is_never_taken_holds_up_no_other(sink: Sink, changed: list[Key]) -> None:
    sink.poison = "team/app"
    sender = sending(sink.url, changed)
    sender.offer(KEY, [notice()])
    wait_until(lambda: bool(sink.got))
    sender.offer(Key("team", "other"), [notice("other")])
    wait_until(lambda: sender.told(Key("team", "other")) == "1/succeeded")
    wait_until(lambda: sink.subjects.count("team/app") >= 2)


def test_what_is_told_is_not_told_again(sink: Sink, changed: list[Key]) -> None:
    sender = sending(sink.url, changed)
    for _ in range(3):
        sender.offer(KEY, [notice()])
        wait_until(lambda: sender.told(KEY) == "1/succeeded")
    sender.offer(Key("team", "other"), [notice("other")])
    wait_until(lambda: "team/other" in sink.subjects)
    assert sink.subjects == ["team/app", "team/other"]


def test_a_sink_that_is_away_holds_up_nobody_and_fills_no_memory(
    changed: list[Key], caplog: pytest.LogCaptureFixture
) -> None:
    # Nobody listens there; the sender is not started either, so all of it waits.
    sender = Sender("http://secret.invalid:9/T00/B00/token", "", "CloudEvents", changed.append, Proxies())
    for number in range(1200):
        sender.offer(Key("team", f"app{number}"), [notice()])
    assert sum("too many notices wait" in record.getMessage() for record in caplog.records) == 200
    assert "token" not in caplog.text


def test_what_a_restart_kept_from_being_told_is_told_afterwards(sink: Sink, changed: list[Key]) -> None:
    server = ApiServer()
    server.put("imagebuilds", "app", spec=resources.SPEC)
    silent = Sender(sink.url, "", "CloudEvents", changed.append, Proxies())
    with serve(server) as api:
        controller = controller_with(api, silent, changed)
        controller.reconcile(KEY)
        (pod,) = server.names("pods")
        for status in (resources.RUNNING, resources.built()):
            server.get("pods", pod)["status"] = status
            controller.reconcile(KEY)
        assert server.get("imagebuilds", "app")["status"]["notified"] == "1/"
        # Another operator, after the first one was killed before it could send anything.
        sender = sending(sink.url, changed)
        controller = controller_with(api, sender, changed)
        controller.reconcile(KEY)
        wait_until(lambda: sender.told(KEY) == "1/succeeded")
        controller.reconcile(KEY)
    assert server.get("imagebuilds", "app")["status"]["notified"] == "1/succeeded"
    assert sink.subjects == ["team/app", "team/app"]


def controller_with(api: Api, sender: Sender, changed: list[Key]) -> Controller:
    cluster = Cluster(api)
    memory = Memory(Policies(cluster, Settings()), Following(cluster, lambda _, __: None))
    telling = Telling(Metrics(), sender)
    return Controller(cluster, Settings(), lambda: NOW, memory, telling, changed.append)
