"""The management API, and how an instance is named."""
import json
from urllib.parse import quote, urlencode, urljoin

from mcpcan.errors import NOT_FOUND, Failure, problem
from mcpcan.http import request
from mcpcan.settings import current


class Api:
    def __init__(self, url=None, key=None):
        self.url, self.key = (url, key) if url else current()

    def send(self, method, path, json_body=None, body=None, length=None, headers=None):
        kind = {} if json_body is None else {"Content-Type": "application/json"}
        response = request(method, f"{self.url}/api/v1{path}", {"Authorization": f"Bearer {self.key}", **kind, **(headers or {})},
                           body if json_body is None else json.dumps(json_body), length)
        if response.status >= 300:
            raise problem(response.status, response.text(), self.url)
        return response

    def call(self, method, path, json_body=None):
        """A call with JSON in both directions."""
        answer = self.send(method, path, json_body).text()
        if not answer:
            return None
        try:
            return json.loads(answer)
        except ValueError:
            raise Failure(f"{self.url} does not answer as MCPCAN does. Check the address.", code="not-mcpcan") from None

    def get(self, path):
        return self.call("GET", path)

    def all(self, path):
        """All entries of a list, page by page."""
        items, cursor = [], None
        while True:
            page = self.get(f"{path}{'&' if '?' in path else '?'}limit=200{f'&cursor={encode(cursor)}' if cursor else ''}")
            items += page["items"]
            cursor = page["next"]
            if not cursor:
                return items

    def find(self, name):
        """An instance by slug, id or name; None when there is none."""
        try:
            return self.get(f"/instances/{encode(name)}")
        except Failure as error:
            if error.status != 404:
                raise
        named = [i for i in self.all(f"/instances?search={encode(name)}") if i["name"] == name]
        if len(named) > 1:
            raise Failure(f"Several servers are called '{name}'. Use the address name of one: {', '.join(i['slug'] for i in named)}.", code="ambiguous")
        return named[0] if named else None

    def instance(self, name):
        found = self.find(name)
        if not found:
            raise Failure(f"There is no server '{name}'. See: mcpcan list", exit=NOT_FOUND, code="not-found")
        return found

    def logs(self, id, query):
        """The response and its lines; abort() of the response ends them from another thread."""
        response = self.send("GET", f"/instances/{id}/logs?{urlencode(query)}")
        return response, (json.loads(line) for line in response.lines() if line.strip())

    def address(self, instance):
        """Where clients reach it."""
        return urljoin(self.url, instance["address"]["streamableHttp"])

    def console(self, instance):
        return f"{self.url}/instances/{instance['id']}"


def encode(text):
    return quote(text, safe="!'()*~")
