#!/usr/bin/env python3
"""A stdio MCP server for the official conformance suite: the tools, resources and prompts that its scenarios ask for.

Speaks the legacy revisions (initialize and sessions); with --modern revision 2026-07-28 alone, with --both either, as
each request says. Only the standard library. One thread a request, so that a request can wait for the client's answer
while others go on.
"""
import base64, hashlib, hmac, itertools, json, re, struct, sys, threading, time, zlib

VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05']


def png():
    chunk = lambda kind, data: struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 1, 1, 8, 2, 0, 0, 0)) + chunk(b'IDAT', zlib.compress(b'\0\xff\0\0')) + chunk(b'IEND', b'')


def wav():
    return b'RIFF' + struct.pack('<I', 38) + b'WAVEfmt ' + struct.pack('<IHHIIHH', 16, 1, 1, 8000, 16000, 2, 16) + b'data' + struct.pack('<I', 2) + b'\0\0'


PNG, WAV = base64.b64encode(png()).decode(), base64.b64encode(wav()).decode()
out_lock, ids = threading.Lock(), itertools.count(1)
waiting, capabilities, subscriptions = {}, {}, set()
LEGACY, MODERN = '--modern' not in sys.argv, '--modern' in sys.argv or '--both' in sys.argv
META = 'io.modelcontextprotocol/'
SERVER = {'name': 'conformance-fixture', 'version': '1.0.0'}
SECRET = b'of this fixture'
here = threading.local()  # the modern request that a thread answers
listening, extra_tools, extra_prompts = {}, itertools.count(1), itertools.count(1)


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


class InputNeeded(Exception):
    """A modern request cannot go on without these inputs; it is done again from its beginning when they are there."""
    def __init__(self, requests):
        super().__init__('input is needed')
        self.requests = requests


def seal(state):
    return state + '.' + hmac.new(SECRET, state.encode(), hashlib.sha256).hexdigest()


def ask_all(requests):
    """Several requests to the client at one time: {key: (method, params)} to {key: result}."""
    params = getattr(here, 'params', None)
    if params is None:
        results, threads = {}, []
        for key, (method, given) in requests.items():
            threads.append(threading.Thread(target=lambda k=key, m=method, g=given: results.__setitem__(k, ask(m, g, k))))
            threads[-1].start()
        for thread in threads:
            thread.join()
        return results
    declared = params['_meta'][META + 'clientCapabilities']
    for method, _ in requests.values():
        need(method.split('/')[0], declared)
    given = {**here.earlier, **{k: v for k, v in (params.get('inputResponses') or {}).items() if isinstance(v, dict)}}
    missing = {key: {'method': method, 'params': wanted} for key, (method, wanted) in requests.items() if key not in given}
    if missing:
        here.earlier = {key: given[key] for key in given if key in requests or key in here.earlier}
        raise InputNeeded(missing)
    here.earlier.update({key: given[key] for key in requests})
    return {key: given[key] for key in requests}


def need(capability, declared):
    if capability not in declared:
        raise Refused(-32021, f'The request needs the client capability {capability}.', {'requiredCapabilities': {capability: {}}})


def ask(method, params, key=None):
    """A request to the client; its result."""
    if getattr(here, 'params', None) is not None:
        key = key or method.replace('/', '_')
        return ask_all({key: (method, params)})[key]
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


def log(message):
    params = getattr(here, 'params', None)
    if params is None or META + 'logLevel' in params['_meta']:
        notify('notifications/message', {'level': 'info', 'logger': 'conformance', 'data': message})


def logging(_, __):
    for message, pause in (('Tool execution started', .05), ('Tool processing data', .05), ('Tool execution completed', 0)):
        log(message)
        time.sleep(pause)
    return [text('Logged three messages.')]


def progress(_, meta):
    for value in (0, 50, 100):
        if 'progressToken' in meta:
            notify('notifications/progress', {'progressToken': meta['progressToken'], 'progress': value, 'total': 100})
        time.sleep(.05)
    return [text('Progress was reported.')]


def offered(capability):
    if getattr(here, 'params', None) is None and capability not in capabilities:
        raise Refused(-32600, f'The client does not support {capability}.')


def sampling(arguments, _):
    offered('sampling')
    answer = ask('sampling/createMessage', {'messages': [{'role': 'user', 'content': text(arguments['prompt'])}], 'maxTokens': 100})
    content = answer['content']
    return [text('LLM response: ' + (content[0] if isinstance(content, list) else content).get('text', ''))]


def elicit(message, properties, required=(), say='User response'):
    offered('elicitation')
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


def form(message, **properties):
    return ('elicitation/create', {'message': message, 'requestedSchema': {'type': 'object', 'properties': properties, 'required': list(properties)}})


STRING, BOOLEAN = {'type': 'string'}, {'type': 'boolean'}
NAME = {'user_name': form('What is your name?', name=STRING)}
SAMPLE = lambda question: ('sampling/createMessage', {'messages': [{'role': 'user', 'content': text(question)}], 'maxTokens': 50})


def needs_inputs(requests, then=lambda answers: 'Thank you: ' + json.dumps(answers)):
    return lambda a, m: [text(then(ask_all(requests)))]


def rounds(_, __):
    name = ask_all({'step1': form('Step 1: What is your name?', name=STRING)})
    color = ask_all({'step2': form('Step 2: What is your favorite color?', color=STRING)})
    return [text(json.dumps([name, color]))]


def by_capability(_, __):
    params = getattr(here, 'params', None)
    declared = capabilities if params is None else params['_meta'][META + 'clientCapabilities']
    possible = {'sampling': SAMPLE('What is it?'), 'elicitation': form('What is your name?', name=STRING), 'roots': ('roots/list', {})}
    asked = {'client_' + name: request for name, request in possible.items() if name in declared}
    return [text(json.dumps(ask_all(asked) if asked else 'The client offers nothing.'))]


def missing_capability(_, __):
    if getattr(here, 'params', None) is not None:
        need('sampling', here.params['_meta'][META + 'clientCapabilities'])
    return [text('The client offers sampling: ' + json.dumps(ask(*SAMPLE('What is it?'))))]


def changed(kind, more):
    number = next(more)
    if kind == 'tools':
        TOOLS[f'added_tool_{number}'] = (NOTHING, lambda a, m: [text('I am new.')])
    else:
        ARGUMENTS[f'added_prompt_{number}'] = ()
    for request, wanted in list(listening.items()):
        if wanted.get(kind + 'ListChanged'):
            notify(f'notifications/{kind}/list_changed', {'_meta': {META + 'subscriptionId': request}})
    if LEGACY and capabilities is not None and era_seen[0] == 'legacy':
        notify(f'notifications/{kind}/list_changed', {})
    return [text(f'One of the {kind} is new.')]


era_seen = [None]


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
    'json_schema_2020_12_tool': (SCHEMA_2020_12, lambda a, m: [text('Valid.')]), 'test_reconnection': (NOTHING, slowly),
    'test_input_required_result_elicitation': (NOTHING, needs_inputs(NAME)),
    'test_input_required_result_sampling': (NOTHING, needs_inputs({'capital_question': SAMPLE('What is the capital of France?')})),
    'test_input_required_result_list_roots': (NOTHING, needs_inputs({'client_roots': ('roots/list', {})})),
    'test_input_required_result_request_state': (NOTHING, needs_inputs({'confirm': form('Please confirm', ok=BOOLEAN)}, lambda answers: 'state-ok')),
    'test_input_required_result_multiple_inputs': (NOTHING, needs_inputs({**NAME, 'greeting': SAMPLE('Generate a greeting'), 'client_roots': ('roots/list', {})})),
    'test_input_required_result_multi_round': (NOTHING, rounds),
    'test_input_required_result_tampered_state': (NOTHING, needs_inputs({'confirm': form('Please confirm', ok=BOOLEAN)})),
    'test_input_required_result_capabilities': (NOTHING, by_capability),
    'test_missing_capability': (NOTHING, missing_capability), 'test_streaming_elicitation': (NOTHING, needs_inputs(NAME)), 'test_logging_tool': (NOTHING, logging),
    'test_trigger_tool_change': (NOTHING, lambda a, m: changed('tools', extra_tools)), 'test_trigger_prompt_change': (NOTHING, lambda a, m: changed('prompts', extra_prompts)),
    'test_custom_header': ({'type': 'object', 'properties': {'region': {'type': 'string', 'x-mcp-header': 'Region'}, 'query': STRING}}, lambda a, m: [text('Region: ' + str(a.get('region')))])}
RESOURCES = {
    'test://static-text': {'mimeType': 'text/plain', 'text': 'This is the content of the static text resource.'},
    'test://static-binary': {'mimeType': 'image/png', 'blob': PNG},
    'test://watched-resource': {'mimeType': 'text/plain', 'text': 'This resource can be watched.'}}
ARGUMENTS = {'test_prompt_with_arguments': ('arg1', 'arg2'), 'test_prompt_with_embedded_resource': ('resourceUri',), 'test_simple_prompt': (), 'test_prompt_with_image': (), 'test_input_required_result_prompt': ()}


def call_tool(params):
    if params.get('name') not in TOOLS:
        raise Refused(-32602, f"There is no tool {params.get('name')!r}.")
    try:
        return {'content': TOOLS[params['name']][1](params.get('arguments') or {}, params.get('_meta') or {})}
    except (Refused, InputNeeded):
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
    raise Refused(-32002 if getattr(here, 'params', None) is None else -32602, 'Resource not found', {'uri': uri})


def prompt(params):
    name, given = params['name'], params.get('arguments') or {}
    say = lambda *contents: {'messages': [{'role': 'user', 'content': c} for c in contents]}
    if name == 'test_simple_prompt':
        return say(text('This is a simple prompt for testing.'))
    if name == 'test_prompt_with_arguments':
        return say(text(f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'"))
    if name == 'test_prompt_with_embedded_resource':
        return say(resource(given.get('resourceUri'), 'text/plain', 'Embedded resource content for testing.'), text('Please process the embedded resource above.'))
    if name == 'test_input_required_result_prompt':
        return say(text('The context is: ' + json.dumps(ask_all({'user_context': form('What context should the prompt use?', context=STRING)}))))
    if name in ARGUMENTS and name.startswith('added_prompt_'):
        return say(text('I am new.'))
    if name == 'test_prompt_with_image':
        return say(image(), text('Please analyze the image above.'))
    raise Refused(-32602, f'There is no prompt {name!r}.')


def initialize(params):
    capabilities.update(params.get('capabilities') or {})
    asked = params.get('protocolVersion')
    era_seen[0] = 'legacy'
    return {'protocolVersion': asked if asked in VERSIONS else VERSIONS[0], 'serverInfo': SERVER, 'capabilities': CAPABILITIES}


CAPABILITIES = {'tools': {'listChanged': True}, 'resources': {'subscribe': True, 'listChanged': True}, 'prompts': {'listChanged': True}, 'logging': {}, 'completions': {}}
CACHE = {'ttlMs': 1000, 'cacheScope': 'public'}
CACHEABLE = ('server/discover', 'tools/list', 'prompts/list', 'resources/list', 'resources/templates/list', 'resources/read')
ONLY_LEGACY = ('initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe')


def opened(state):
    """what a requestState of ours holds"""
    text, _, _ = (state or '').rpartition('.')
    if not isinstance(state, str) or not hmac.compare_digest(seal(text), state):
        raise Refused(-32602, 'The requestState is not one of this server.')
    return json.loads(text)


def modern(method, params, request):
    meta = params.get('_meta') or {}
    if META + 'protocolVersion' not in meta or not isinstance(meta.get(META + 'clientCapabilities'), dict):
        raise Refused(-32602, 'The metadata of the request is missing.')
    if meta[META + 'protocolVersion'] != '2026-07-28':
        raise Refused(-32022, 'Unsupported protocol version', {'supported': ['2026-07-28'], 'requested': meta[META + 'protocolVersion']})
    if method == 'server/discover':
        return {'supportedVersions': ['2026-07-28'], 'capabilities': CAPABILITIES}
    if method == 'subscriptions/listen':
        listening[request] = wanted = {k: v for k, v in params['notifications'].items() if v and k in ('toolsListChanged', 'promptsListChanged', 'resourcesListChanged', 'resourceSubscriptions')}
        notify('notifications/subscriptions/acknowledged', {'_meta': {META + 'subscriptionId': request}, 'notifications': wanted})
        return None
    if method not in METHODS or method in ONLY_LEGACY:
        raise Refused(-32601, f'Method not found: {method}')
    here.params, here.earlier = params, opened(params['requestState']) if 'requestState' in params else {}
    try:
        return METHODS[method](params)
    except InputNeeded as needed:
        return {'resultType': 'input_required', 'inputRequests': needed.requests, 'requestState': seal(json.dumps(here.earlier))}
    finally:
        here.params = None


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


def is_modern(message):
    return MODERN and (not LEGACY or META + 'protocolVersion' in ((message.get('params') or {}).get('_meta') or {}) or message['method'] == 'server/discover')


def answer(message):
    try:
        if is_modern(message):
            result = modern(message['method'], message.get('params') or {}, message['id'])
            if result is not None:
                hints = CACHE if message['method'] in CACHEABLE else {}
                send({'id': message['id'], 'result': {'resultType': 'complete', **hints, **result, '_meta': {META + 'serverInfo': SERVER}}})
            return
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
    elif received['method'] == 'notifications/cancelled':
        listening.pop(received['params'].get('requestId'), None)
