"""Google's records of given images, in every form that was seen on its pages. For tests of pages."""

import base64
import html
import json
import quopri
import zlib
from urllib.parse import urlencode

IMAGES = [(f"http://site{number}.test/cats/{number}.jpg?v=1&w=2", 600 + number, 400 + number) for number in range(6)]


def record(number, url, width, height):
    """A record as in today's scripts, in the order url, height, width."""
    document = f"d{zlib.crc32(url.partition('&again')[0].encode()):08x}xY_-"
    thumbnail = [f"https://encrypted-tbn0.gstatic.com/images?q=tbn:{number}&s", 180, 270]
    about = {"2000": [None, f"site{number}.test", "143KB"]}
    about["2003"] = [None, f"ref{number}", f"http://pages.test/{number}", f'A "cat", no. {number}', None, 1, 2, 3]
    return [1, [0, document, thumbnail, [url, height, width], None, 1, "rgb(9,9,9)", None, 0, about]]


def script(images=IMAGES):
    values = {f"id{number}": record(number, *image) for number, image in enumerate(images)}
    return json.dumps(values, separators=(",", ":"))


def in_javascript(text):
    """Escape characters that could end a script in a page."""
    for character in "<>=&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def inline(images=IMAGES):
    title = "<!doctype html><title>cats - Google Search</title>"
    return f"{title}<script>(function(){{var m={in_javascript(script(images))};}})()</script>"


def in_window(images=IMAGES):
    return f"<script>window['W_jd']['key']=[{in_javascript(script(images))}];</script>"


def once_more(images=IMAGES):
    """Encode JSON a second time, as in batches that follow on scrolling."""
    return ")]}'\n" + json.dumps([["wrb.fr", "HoAMBc", script(images), None]])


def twice_more(images=IMAGES):
    return json.dumps({"body": once_more(images)})


def hexadecimal(images=IMAGES):
    text = script(images).replace("\\", "\\\\").replace('"', "\\x22").replace("=", "\\x3d")
    return f"<script>AF_initDataCallback({{data:'{text}'}})</script>"


def attributes(images=IMAGES):
    return "".join(
        f'<div class="isv-r" data-ou="{html.escape(url)}" data-ow="{width}" data-oh="{height}"'
        f' data-ru="http://pages.test/{number}" data-pt="A &quot;cat&quot;, no. {number}" data-st="site"></div>'
        for number, (url, width, height) in enumerate(images)
    )


def attributes_in_json(images=IMAGES):
    return json.dumps([["rg", attributes(images)]])


def ischj(images=IMAGES):
    entries = [
        {
            "original_image": {"url": url, "width": width, "height": height},
            "result": {
                "referrer_url": f"http://pages.test/{number}",
                "page_title": f'A "cat", no. {number}',
                "iptc": {"creator": ["Ada", "Bob"]},
            },
            "thumbnail": {"url": "https://encrypted-tbn0.gstatic.com/x"},
        }
        for number, (url, width, height) in enumerate(images)
    ]
    return json.dumps({"ischj": {"metadata": entries}})


def links(images=IMAGES):
    values = [
        {"imgurl": url, "imgrefurl": f"http://pages.test/{number}", "tbnid": f"t{number}", "w": width, "h": height}
        for number, (url, width, height) in enumerate(images)
    ]
    return "".join(f'<a href="/imgres?{html.escape(urlencode(each))}"></a>' for each in values)


def old_meta(images=IMAGES):
    return "".join(
        f'<div class="rg_meta">{json.dumps({"ou": url, "ow": width, "oh": height, "ru": f"http://pages.test/{number}"})}</div>'
        for number, (url, width, height) in enumerate(images)
    )


FORMS = {
    each.__name__: each
    for each in (
        *(
            inline,
            in_window,
            once_more,
            twice_more,
            hexadecimal,
            attributes,
            attributes_in_json,
            ischj,
            links,
            old_meta,
        ),
    )
}


def cards(images=IMAGES):
    """Result cards as the page shows them, without addresses of images."""
    return "".join(
        f'<div jsname="x" class="eA0Zlc" data-docid="doc{number}" data-lpage="http://pages.test/{number}">'
        f'<img id="dimg_{number}" src="data:image/jpeg;base64,AAAA"></div>'
        for number, _ in enumerate(images)
    )


def har(*bodies, coded=False):
    """An export of the browser's network panel with these response bodies, and an image."""
    entries = [
        {
            "request": {"url": "https://www.google.com/x.png"},
            "response": {"content": {"mimeType": "image/png", "text": "iVBO"}},
        }
    ]
    for number, body in enumerate(bodies):
        content = {"mimeType": "text/html; charset=UTF-8" if number == 0 else "application/json", "text": body}
        if coded:
            content |= {"text": base64.b64encode(body.encode()).decode(), "encoding": "base64"}
        url = f"https://www.google.com/search?q=grumpy+cats&udm=2&start={number}"
        entries.append({"request": {"url": url}, "response": {"content": content}})
    return json.dumps({"log": {"version": "1.2", "entries": entries}})


def mhtml(body):
    """A page saved as one file, quoted-printable."""
    head = 'From: <Saved by Blink>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary="b"\r\n\r\n--b\r\n'
    head += "Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Location: https://www.google.com/search?q=cats\r\n\r\n"
    return head.encode() + quopri.encodestring(body.encode()) + b"\r\n--b--\r\n"
