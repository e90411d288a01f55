#!/usr/bin/env python3
"""A stdio MCP server for the official conformance suite: the tools, resources and prompts that its scenarios ask for.

Speaks the legacy revisions (initialize and sessions) and only the standard library. One thread a request, so that a
request can wait for the client's answer while others go on.
"""
import base64, itertools, json, re, struct, sys, threading, time, zlib

VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05']


def png():
    chunk = lambda kind, data: struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 1, 1, 8, 2, 0, 0, 0)) + chunk(b'IDAT', zlib.compress(b'\0\xff\0\0')) + chunk(b'IEND', b'')


def wav():
    return b'RIFF' + struct.pack('<I', 38) + b'WAVEfmt ' + struct.pack('<IHHIIHH', 16, 1, 1, 8000, 16000, 2, 16) + b'data' + struct.pack('<I', 2) + b'\0\0'


PNG, WAV = base64.b64encode(png()).decode(), base64.b64encode(wav()).decode()
out_lock, ids = threading.Lock(), itertools.count(1)
waiting, capabilities, subscriptions = {}, {}, set()


class Refused(Exception):
    def __init__(self, code, message, data=None):
        super().__init__(message)
        self.error = {'code': code, 'message': message, **({'data': data} if data else {})}


def send(message):
    line = json.dumps({'jsonrpc': '2.0', **message}, ensure_ascii=False)
    with out_lock:
        sys.stdout.write(line + '\n')
        sys.stdout.flush()


def notify(method, params):
    send({'method': method, 'params': params})


def ask(method, params):
    """A request to the client; its result."""
    number, done = f'server-{next(ids)}', threading.Event()
    waiting[number] = slot = [done, None]
    send({'id': number, 'method': method, 'params': params})
    if not done.wait(30):
        raise Refused(-32603, f'The client did not answer {method}.')
    if 'error' in slot[1]:
        raise Refused(-32603, slot[1]['error'].get('message', 'refused'))
    return slot[1]['result']


def text(value):
    return {'type': 'text', 'text': value}


def image():
    return {'type': 'image', 'data': PNG, 'mimeType': 'image/png'}


def logging(_, __):
    for message, pause in (('Tool execution started', .05), ('Tool processing data', .05), ('Tool execution completed', 0)):
        notify('notifications/message', {'level': 'info', 'logger': 'conformance', 'data': message})
        time.sleep(pause)
    return [text('Logged three messages.')]


def progress(_, meta):
    for value in (0, 50, 100):
        if 'progressToken' in meta:
            notify('notifications/progress', {'progressToken': meta['progressToken'], 'progress': value, 'total': 100})
        time.sleep(.05)
    return [text('Progress was reported.')]


def sampling(arguments, _):
    if 'sampling' not in capabilities:
        raise Refused(-32600, 'The client does not support sampling.')
    answer = ask('sampling/createMessage', {'messages': [{'role': 'user', 'content': text(arguments['prompt'])}], 'maxTokens': 100})
    content = answer['content']
    return [text('LLM response: ' + (content[0] if isinstance(content, list) else content).get('text', ''))]


def elicit(message, properties, required=(), say='User response'):
    if 'elicitation' not in capabilities:
        raise Refused(-32600, 'The client does not support elicitation.')
    schema = {'type': 'object', 'properties': properties, **({'required': list(required)} if required else {})}
    answer = ask('elicitation/create', {'message': message, 'requestedSchema': schema})
    return [text(f"{say}: action={answer['action']}, content={json.dumps(answer.get('content', {}))}")]


def elicitation(arguments, _):
    return elicit(arguments['message'], {'username': {'type': 'string', 'description': "User's response"}, 'email': {'type': 'string', 'description': "User's email address"}}, ('username', 'email'))


def defaults(_, __):
    return elicit('Please check the values.', {
        'name': {'type': 'string', 'default': 'John Doe'}, 'age': {'type': 'integer', 'default': 30}, 'score': {'type': 'number', 'default': 95.5},
        'status': {'type': 'string', 'enum': ['active', 'inactive', 'pending'], 'default': 'active'}, 'verified': {'type': 'boolean', 'default': True}}, say='Elicitation completed')


def enums(_, __):
    plain = ['option1', 'option2', 'option3']
    titled = lambda word: [{'const': f'value{i}', 'title': f'{n} {word}'} for i, n in enumerate(('First', 'Second', 'Third'), 1)]
    return elicit('Please choose.', {
        'untitledSingle': {'type': 'string', 'enum': plain},
        'titledSingle': {'type': 'string', 'oneOf': titled('Option')},
        'legacyEnum': {'type': 'string', 'enum': ['opt1', 'opt2', 'opt3'], 'enumNames': ['Option One', 'Option Two', 'Option Three']},
        'untitledMulti': {'type': 'array', 'items': {'type': 'string', 'enum': plain}},
        'titledMulti': {'type': 'array', 'items': {'anyOf': titled('Choice')}}}, say='Elicitation completed')


def fail(_, __):
    raise ValueError('This tool intentionally returns an error for testing')


def slowly(_, __):
    time.sleep(1)
    return [text('Reconnection test completed.')]


def resource(uri, mime, value):
    return {'type': 'resource', 'resource': {'uri': uri, 'mimeType': mime, 'text': value}}


NOTHING = {'type': 'object', 'properties': {}}
ONE = lambda name: {'type': 'object', 'properties': {name: {'type': 'string'}}, 'required': [name]}
SCHEMA_2020_12 = {
    '$schema': 'https://json-schema.org/draft/2020-12/schema', 'type': 'object',
    '$defs': {'address': {'$anchor': 'addressDef', 'type': 'object', 'properties': {'street': {'type': 'string'}, 'city': {'type': 'string'}}}},
    'properties': {'name': {'type': 'string'}, 'address': {'$ref': '#/$defs/address'}, 'contactMethod': {'type': 'string', 'enum': ['phone', 'email']}, 'phone': {'type': 'string'}, 'email': {'type': 'string'}},
    'allOf': [{'anyOf': [{'required': ['phone']}, {'required': ['email']}]}],
    'if': {'properties': {'contactMethod': {'const': 'phone'}}, 'required': ['contactMethod']}, 'then': {'required': ['phone']}, 'else': {'required': ['email']},
    'additionalProperties': False}
TOOLS = {
    'test_simple_text': (NOTHING, lambda a, m: [text('This is a simple text response for testing.')]),
    'test_image_content': (NOTHING, lambda a, m: [image()]),
    'test_audio_content': (NOTHING, lambda a, m: [{'type': 'audio', 'data': WAV, 'mimeType': 'audio/wav'}]),
    'test_embedded_resource': (NOTHING, lambda a, m: [resource('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')]),
    'test_multiple_content_types': (NOTHING, lambda a, m: [text('Multiple content types test:'), image(), resource('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}')]),
    'test_tool_with_logging': (NOTHING, logging), 'test_error_handling': (NOTHING, fail), 'test_tool_with_progress': (NOTHING, progress),
    'test_sampling': (ONE('prompt'), sampling), 'test_elicitation': (ONE('message'), elicitation),
    'test_elicitation_sep1034_defaults': (NOTHING, defaults), 'test_elicitation_sep1330_enums': (NOTHING, enums),
    'json_schema_2020_12_tool': (SCHEMA_2020_12, lambda a, m: [text('Valid.')]), 'test_reconnection': (NOTHING, slowly)}
RESOURCES = {
    'test://static-text': {'mimeType': 'text/plain', 'text': 'This is the content of the static text resource.'},
    'test://static-binary': {'mimeType': 'image/png', 'blob': PNG},
    'test://watched-resource': {'mimeType': 'text/plain', 'text': 'This resource can be watched.'}}
ARGUMENTS = {'test_prompt_with_arguments': ('arg1', 'arg2'), 'test_prompt_with_embedded_resource': ('resourceUri',), 'test_simple_prompt': (), 'test_prompt_with_image': ()}


def call_tool(params):
    if params.get('name') not in TOOLS:
        raise Refused(-32602, f"There is no tool {params.get('name')!r}.")
    try:
        return {'content': TOOLS[params['name']][1](params.get('arguments') or {}, params.get('_meta') or {})}
    except Refused:
        raise
    except Exception as e:
        return {'isError': True, 'content': [text(str(e))]}


def read(params):
    uri = params['uri']
    if uri in RESOURCES:
        return {'contents': [{'uri': uri, **RESOURCES[uri]}]}
    found = re.fullmatch('test://template/([^/]+)/data', uri)
    if found:
        value = {'id': found[1], 'templateTest': True, 'data': f'Data for ID: {found[1]}'}
        return {'contents': [{'uri': uri, 'mimeType': 'application/json', 'text': json.dumps(value, separators=(',', ':'))}]}
    raise Refused(-32002, 'Resource not found', {'uri': uri})


def prompt(params):
    name, given = params['name'], params.get('arguments') or {}
    say = lambda *contents: {'messages': [{'role': 'user', 'content': c} for c in contents]}
    if name == 'test_simple_prompt':
        return say(text('This is a simple prompt for testing.'))
    if name == 'test_prompt_with_arguments':
        return say(text(f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'"))
    if name == 'test_prompt_with_embedded_resource':
        return say(resource(given.get('resourceUri'), 'text/plain', 'Embedded resource content for testing.'), text('Please process the embedded resource above.'))
    if name == 'test_prompt_with_image':
        return say(image(), text('Please analyze the image above.'))
    raise Refused(-32602, f'There is no prompt {name!r}.')


def initialize(params):
    capabilities.update(params.get('capabilities') or {})
    asked = params.get('protocolVersion')
    return {'protocolVersion': asked if asked in VERSIONS else VERSIONS[0], 'serverInfo': {'name': 'conformance-fixture', 'version': '1.0.0'},
            'capabilities': {'tools': {'listChanged': True}, 'resources': {'subscribe': True, 'listChanged': True}, 'prompts': {'listChanged': True}, 'logging': {}, 'completions': {}}}


METHODS = {
    'initialize': initialize, 'ping': lambda p: {}, 'logging/setLevel': lambda p: {},
    'tools/list': lambda p: {'tools': [{'name': n, 'description': f'Conformance tool {n}', 'inputSchema': s} for n, (s, _) in TOOLS.items()]},
    'tools/call': call_tool,
    'resources/list': lambda p: {'resources': [{'uri': u, 'name': u[7:], 'description': f'Resource {u}', 'mimeType': r['mimeType']} for u, r in RESOURCES.items()]},
    'resources/templates/list': lambda p: {'resourceTemplates': [{'uriTemplate': 'test://template/{id}/data', 'name': 'template', 'description': 'Data by id', 'mimeType': 'application/json'}]},
    'resources/read': read,
    'resources/subscribe': lambda p: subscriptions.add(p['uri']) or {}, 'resources/unsubscribe': lambda p: subscriptions.discard(p['uri']) or {},
    'prompts/list': lambda p: {'prompts': [{'name': n, 'description': f'Conformance prompt {n}', 'arguments': [{'name': a, 'description': a, 'required': True} for a in args]} for n, args in ARGUMENTS.items()]},
    'prompts/get': prompt,
    'completion/complete': lambda p: {'completion': {'values': ['paris', 'park', 'party'], 'total': 3, 'hasMore': False}}}


def answer(message):
    try:
        if message['method'] not in METHODS:
            raise Refused(-32601, f"Method not found: {message['method']}")
        send({'id': message['id'], 'result': METHODS[message['method']](message.get('params') or {})})
    except Refused as e:
        send({'id': message['id'], 'error': e.error})
    except Exception as e:
        send({'id': message['id'], 'error': {'code': -32602, 'message': f'{type(e).__name__}: {e}'}})


for line in sys.stdin:
    if not line.strip():
        continue
    received = json.loads(line)
    if 'method' not in received:
        slot = waiting.pop(received.get('id'), None)
        if slot:
            slot[1] = received
            slot[0].set()
    elif 'id' in received:
        threading.Thread(target=answer, args=(received,), daemon=True).start()
