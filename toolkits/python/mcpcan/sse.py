"""Server-sent events (HTML standard, 9.2): (id, data, retry) as they come."""


def events(response):
    id, data, retry = None, [], None
    for line in response.lines():
        line = line[:-1] if line.endswith("\r") else line
        if line == "":
            if data or id is not None:
                yield id, "\n".join(data), retry
            id, data, retry = None, [], None
            continue
        name, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if name == "data":
            data.append(value)
        elif name == "id":
            id = value
        elif name == "retry" and value.isdigit():
            retry = int(value)
