# SPDX-License-Identifier: Apache-2.0
"""The openai client from PyPI against //runners:serve.

usage: openai_client.py URL MODEL [--key KEY] [--authority PEM]
Leaves with an assertion where something is not as OpenAI's interface has it. The server must take 4 choices at a time.
"""

import argparse
import ssl
import threading
import time

import openai


def expect(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}")


def completions(client, model):
    ask = dict(model=model, prompt="Once upon a time, there was", max_tokens=12, temperature=1.0, seed=5)
    one = client.completions.create(**ask, n=2, logprobs=1)
    assert one.object == "text_completion" and one.model == model, one
    assert [c.index for c in one.choices] == [0, 1]
    assert one.choices[0].text != one.choices[1].text, "each choice has a stream of its own"
    assert one.usage.completion_tokens == sum(len(c.logprobs.tokens) for c in one.choices)
    for choice in one.choices:
        assert choice.finish_reason in ("length", "stop")
        assert all(p <= 0 for p in choice.logprobs.token_logprobs)
        assert len(choice.logprobs.text_offset) == len(choice.logprobs.tokens)
    again = client.completions.create(**ask, n=2)
    assert [c.text for c in again.choices] == [c.text for c in one.choices], "the same seed gives the same text"
    assert again.choices[0].logprobs is None

    texts, reasons = ["", ""], [None, None]
    for chunk in client.completions.create(**ask, n=2, stream=True):
        choice = chunk.choices[0]
        texts[choice.index] += choice.text
        reasons[choice.index] = choice.finish_reason or reasons[choice.index]
    assert texts == [c.text for c in one.choices], "a stream adds up to the answer"
    assert reasons == [c.finish_reason for c in one.choices]

    stop = one.choices[0].text[4:8]
    cut = client.completions.create(**ask, stop=["no such text", stop])
    assert cut.choices[0].finish_reason == "stop" and cut.choices[0].stop_reason == stop, cut
    assert cut.choices[0].text == one.choices[0].text[: one.choices[0].text.index(stop)]
    pieces = [c.choices[0].text for c in client.completions.create(**ask, stop=[stop], stream=True)]
    assert "".join(pieces) == cut.choices[0].text, "no part of a stop is sent"

    several = client.completions.create(model=model, prompt=["One, two,", [2427, 28]], max_tokens=3, temperature=0)
    assert len(several.choices) == 2 and several.usage.completion_tokens == 6, several


def chats(client, model):
    ask = dict(
        model=model,
        messages=[{"role": "system", "content": "You are brief."}, {"role": "user", "content": "What is the capital of France?"}],
        max_tokens=24,
        temperature=0,
    )
    whole = client.chat.completions.create(**ask, logprobs=True)
    message = whole.choices[0].message
    assert message.role == "assistant" and message.content, whole
    # The model's own turns, written out: the same tokens go in, so the same come out.
    turns = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in ask["messages"])
    plain = client.completions.create(model=model, prompt=turns + "<|im_start|>assistant\n", max_tokens=24, temperature=0)
    assert plain.choices[0].text == message.content and plain.usage == whole.usage, (plain, whole)
    # Without a system turn the template's own stands.
    user = ask["messages"][1]
    own = {"role": "system", "content": "You are a helpful AI assistant named SmolLM, trained by Hugging Face"}
    alone, with_own = (client.chat.completions.create(**{**ask, "messages": m}) for m in ([user], [own, user]))
    assert alone.usage == with_own.usage and alone.choices[0].message == with_own.choices[0].message, (alone, with_own)
    told = whole.choices[0].logprobs.content
    assert len(told) == whole.usage.completion_tokens
    assert bytes(b for t in told for b in t.bytes).decode() == message.content

    text, usage = "", None
    for chunk in client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
    assert text == message.content and usage == whole.usage, (text, usage)


def refusals(client, model):
    def complete(**more):
        return lambda: client.completions.create(**{"model": model, "prompt": "x", "max_tokens": 2, **more})

    assert expect(openai.BadRequestError, complete(echo=True)).param == "echo"
    assert expect(openai.BadRequestError, complete(temperature=-1)).param == "temperature"
    assert expect(openai.BadRequestError, complete(logprobs=5)).param == "logprobs"
    assert expect(openai.BadRequestError, complete(max_tokens=10**6)).code == "context_length_exceeded"
    assert expect(openai.BadRequestError, complete(prompt="x " * 20000)).code == "context_length_exceeded"
    assert expect(openai.BadRequestError, complete(prompt=[10**8])).status_code == 400
    assert expect(openai.BadRequestError, complete(extra_body={"best_off": 3})).param == "best_off"
    expect(openai.NotFoundError, complete(model="another"))
    turns = [{"role": "user", "content": "x"}, {"role": "user", "content": "y"}]
    error = expect(openai.BadRequestError, lambda: client.chat.completions.create(model=model, messages=turns))
    assert error.param == "messages[1].role", error.param
    tools = [{"type": "function", "function": {"name": "f"}}]
    error = expect(openai.BadRequestError, lambda: client.chat.completions.create(model=model, messages=turns[:1], tools=tools))
    assert error.param == "tools"


def metric(client, name):
    url = str(client.base_url).replace("/v1/", "/metrics")
    text = client._client.get(url, headers={"Authorization": f"Bearer {client.api_key}"}).text
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(name + " ")))


def limits(client, model):
    """Four choices at a time: a fifth is refused, and a client that leaves makes room."""
    long = dict(model=model, prompt="Count: 1 2 3 4 5 6 7", max_tokens=4000, temperature=1.0, seed=1)
    stream = client.completions.create(**long, n=4, stream=True)
    next(iter(stream))
    error = expect(openai.RateLimitError, lambda: client.completions.create(model=model, prompt="x", max_tokens=1))
    assert error.response.headers["Retry-After"] == "1", error.response.headers
    assert metric(client, "orrery_requests_waiting") == 4
    stream.close()
    deadline = time.monotonic() + 60
    while metric(client, "orrery_requests_waiting") > 0:
        assert time.monotonic() < deadline, "the requests of a client that left go on"
        time.sleep(0.1)
    # The same where the client waits for a whole answer.
    impatient = client.with_options(timeout=1.0, max_retries=0)
    expect(openai.APITimeoutError, lambda: impatient.completions.create(**long, n=4))
    while metric(client, "orrery_requests_waiting") > 0:
        assert time.monotonic() < deadline, "the requests of a client that left go on"
        time.sleep(0.1)
    assert metric(client, "orrery_http_clients_gone_total") >= 2
    # Several clients at once: the limit makes some wait and try again, as the client does by itself.
    patient = client.with_options(max_retries=20)
    texts = [None] * 8

    def ask(i):
        texts[i] = patient.completions.create(model=model, prompt="Once upon", max_tokens=6, seed=9).choices[0].text

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(texts)) == 1 and texts[0], texts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("model")
    parser.add_argument("--key", default="none")
    parser.add_argument("--authority")
    arguments = parser.parse_args()
    verify = ssl.create_default_context(cafile=arguments.authority) if arguments.authority else True

    def client(key):
        return openai.OpenAI(
            base_url=arguments.url, api_key=key, max_retries=0, timeout=300, http_client=openai.DefaultHttpxClient(verify=verify)
        )

    if arguments.key != "none":
        expect(openai.AuthenticationError, lambda: client("wrong").models.list())
    good = client(arguments.key)
    assert [m.id for m in good.models.list()] == [arguments.model]
    assert good.models.retrieve(arguments.model).max_model_len > 0
    expect(openai.NotFoundError, lambda: good.models.retrieve("another"))
    completions(good, arguments.model)
    chats(good, arguments.model)
    refusals(good, arguments.model)
    limits(good, arguments.model)
    print("all as expected")


main()
