using System.Buffers;
using System.Buffers.Text;
using System.Text;
using System.Text.Json;

namespace McpCan.Gateway;

/// <summary>
/// Reads the envelope of a JSON-RPC message from the bytes that pass by: no message is kept, whatever its size or depth.
/// It judges nothing: on broken JSON it knows less, and the server gives the answer. A key that comes twice counts the last time, as in most parsers.
/// </summary>
internal sealed class EnvelopeScanner
{
    /// <summary>The method of an array of messages.</summary>
    public const string Batch = "(batch)";
    private const int LongestToken = 1024;
    private static readonly SearchValues<byte> Brackets = SearchValues.Create("\"{}[]"u8);
    private static readonly SearchValues<byte> ScalarEnds = SearchValues.Create(",}] \t\r\n"u8);

    private enum State : byte { Structure, Text, Scalar, Over }

    private enum Place : byte { None, Root, Params, Meta, Client, Error, Result }

    private enum Field : byte { None, Id, Method, Params, Target, Meta, Client, ClientName, ClientVersion, TraceParent, Version, Error, Code, Result, IsError }

    // The containers that are read lie directly inside each other; _depth > _level means: inside a value that is skipped.
    private readonly Place[] _places = new Place[5];
    private int _level;
    private int _depth;
    private State _state;
    private Field _field;
    private bool _expectKey;
    private bool _isKey;
    private bool _capture;
    private bool _escape;
    private bool _escapes;
    private byte[]? _carry;
    private int _carried;

    public string? Method { get; private set; }
    public string? Target { get; private set; }
    public string? ClientName { get; private set; }
    public string? ClientVersion { get; private set; }
    /// <summary>W3C trace context in <c>_meta</c> (SEP-414).</summary>
    public string? TraceParent { get; private set; }
    /// <summary>Whether <c>_meta</c> names a protocol version: the modern era.</summary>
    public bool NamesVersion { get; private set; }
    /// <summary>The id as it was written, quotes included; null when there was none or it was too long.</summary>
    public byte[]? Id { get; private set; }
    public int? ErrorCode { get; private set; }
    public bool IsResponse { get; private set; }
    public bool IsToolError { get; private set; }

    public void Reset()
    {
        (_level, _depth, _state, _field, _carried) = (0, 0, State.Structure, Field.None, 0);
        _expectKey = _isKey = _capture = _escape = _escapes = false;
        (Method, Target, ClientName, ClientVersion, Id, ErrorCode, IsResponse, IsToolError) = (null, null, null, null, null, null, false, false);
        (TraceParent, NamesVersion) = (null, false);
    }

    public void Feed(in ReadOnlySequence<byte> data)
    {
        foreach (var segment in data) Feed(segment.Span);
    }

    public void Feed(ReadOnlySpan<byte> data)
    {
        while (!data.IsEmpty && _state != State.Over)
        {
            data = _state switch
            {
                State.Text => Text(data),
                State.Scalar => Scalar(data),
                _ => _depth > _level ? Skip(data) : Structure(data),
            };
        }
    }

    private ReadOnlySpan<byte> Skip(ReadOnlySpan<byte> data)
    {
        var at = data.IndexOfAny(Brackets);
        if (at < 0) return default;
        switch (data[at])
        {
            case (byte)'"': Begin(State.Text, capture: false); break;
            case (byte)'{' or (byte)'[': _depth++; break;
            default: _depth--; break;
        }
        return data[(at + 1)..];
    }

    private ReadOnlySpan<byte> Structure(ReadOnlySpan<byte> data)
    {
        switch (data[0])
        {
            case (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n':
                break;
            case 0xEF or 0xBB or 0xBF when _level == 0: // byte order mark
                break;
            case (byte)'{':
                Open();
                break;
            case (byte)'[' when _level == 0:
                Method = Batch; // 2025-03-26 only; the server splits it
                _state = State.Over;
                break;
            case (byte)'[':
                _depth++;
                break;
            case (byte)'}' or (byte)']':
                _depth--;
                if (--_level <= 0) _state = State.Over;
                break;
            case (byte)':':
                _expectKey = false;
                break;
            case (byte)',':
                (_expectKey, _field) = (true, Field.None);
                break;
            case (byte)'"' when _level > 0:
                _isKey = _expectKey;
                Begin(State.Text, _isKey || _field is Field.Id or Field.Method or Field.Target or Field.ClientName or Field.ClientVersion or Field.TraceParent);
                break;
            case var _ when _level == 0:
                _state = State.Over;
                break;
            default:
                _isKey = false;
                Begin(State.Scalar, _field is Field.Id or Field.Code or Field.IsError);
                return data;
        }
        return data[1..];
    }

    private void Begin(State state, bool capture) =>
        (_state, _capture, _carried, _escape, _escapes) = (state, capture, 0, false, false);

    private void Open()
    {
        _depth++;
        var place = _level == 0 ? Place.Root : (_places[_level], _field) switch
        {
            (Place.Root, Field.Params) => Place.Params,
            (Place.Root, Field.Error) => Place.Error,
            (Place.Root, Field.Result) => Place.Result,
            (Place.Params, Field.Client) or (Place.Meta, Field.Client) => Place.Client,
            (Place.Params, Field.Meta) => Place.Meta,
            _ => Place.None,
        };
        if (place == Place.None) return;
        _places[++_level] = place;
        (_expectKey, _field) = (true, Field.None);
    }

    private ReadOnlySpan<byte> Text(ReadOnlySpan<byte> data)
    {
        var at = 0;
        while (at < data.Length)
        {
            if (_escape)
            {
                _escape = false;
                at++;
                continue;
            }
            var next = data[at..].IndexOfAny((byte)'"', (byte)'\\');
            if (next < 0) break;
            at += next;
            if (data[at] == (byte)'"')
            {
                if (_capture) TextEnded(Whole(data[..at]));
                _state = State.Structure;
                return data[(at + 1)..];
            }
            _escape = _escapes = true;
            at++;
        }
        if (_capture) Carry(data);
        return default;
    }

    private ReadOnlySpan<byte> Scalar(ReadOnlySpan<byte> data)
    {
        var at = data.IndexOfAny(ScalarEnds);
        if (at < 0)
        {
            if (_capture) Carry(data);
            return default;
        }
        if (_capture) ScalarEnded(Whole(data[..at]));
        _state = State.Structure;
        return data[at..];
    }

    // A token that lies whole in one buffer is read in place; only the pieces of a torn one are copied.
    private void Carry(ReadOnlySpan<byte> piece)
    {
        _carry ??= new byte[LongestToken];
        piece = piece[..Math.Min(piece.Length, LongestToken - _carried)];
        piece.CopyTo(_carry.AsSpan(_carried));
        _carried += piece.Length;
    }

    private ReadOnlySpan<byte> Whole(ReadOnlySpan<byte> last)
    {
        if (_carried == 0) return last[..Math.Min(last.Length, LongestToken)];
        Carry(last);
        return _carry.AsSpan(0, _carried);
    }

    private void TextEnded(ReadOnlySpan<byte> text)
    {
        if (_isKey)
        {
            _field = _escapes ? FieldOf(Encoding.UTF8.GetBytes(Decode(text))) : FieldOf(text);
            if (_field is Field.Error or Field.Result) IsResponse = true;
            else if (_field == Field.Version) NamesVersion = true;
            return;
        }
        switch (_field)
        {
            case Field.Id: Id = text.Length < LongestToken ? [(byte)'"', .. text, (byte)'"'] : null; break;
            case Field.Method: Method = KnownMethod(text) ?? Decode(text); break;
            case Field.Target: Target = Decode(text); break;
            case Field.TraceParent: TraceParent = text.Length <= 128 ? Decode(text) : null; break;
            case Field.ClientName: ClientName = Decode(text[..Math.Min(text.Length, 128)]); break;
            default: ClientVersion = Decode(text[..Math.Min(text.Length, 128)]); break;
        }
    }

    private void ScalarEnded(ReadOnlySpan<byte> scalar)
    {
        switch (_field)
        {
            case Field.Id: Id = scalar.Length < LongestToken && !scalar.SequenceEqual("null"u8) ? scalar.ToArray() : null; break;
            case Field.Code: ErrorCode = Utf8Parser.TryParse(scalar, out int code, out _) ? code : 0; break;
            default: IsToolError = scalar.SequenceEqual("true"u8); break;
        }
    }

    private Field FieldOf(ReadOnlySpan<byte> key) => _places[_level] switch
    {
        Place.Root => key switch
        {
            _ when key.SequenceEqual("id"u8) => Field.Id,
            _ when key.SequenceEqual("method"u8) => Field.Method,
            _ when key.SequenceEqual("params"u8) => Field.Params,
            _ when key.SequenceEqual("result"u8) => Field.Result,
            _ when key.SequenceEqual("error"u8) => Field.Error,
            _ => Field.None,
        },
        Place.Params => key switch
        {
            _ when key.SequenceEqual("name"u8) || key.SequenceEqual("uri"u8) => Field.Target,
            _ when key.SequenceEqual("clientInfo"u8) => Field.Client,
            _ when key.SequenceEqual("_meta"u8) => Field.Meta,
            _ => Field.None,
        },
        Place.Meta => key switch
        {
            _ when key.SequenceEqual("traceparent"u8) => Field.TraceParent,
            _ when key.SequenceEqual("io.modelcontextprotocol/clientInfo"u8) => Field.Client,
            _ when key.SequenceEqual("io.modelcontextprotocol/protocolVersion"u8) => Field.Version,
            _ => Field.None,
        },
        Place.Client => key.SequenceEqual("name"u8) ? Field.ClientName : key.SequenceEqual("version"u8) ? Field.ClientVersion : Field.None,
        Place.Error => key.SequenceEqual("code"u8) ? Field.Code : Field.None,
        Place.Result => key.SequenceEqual("isError"u8) ? Field.IsError : Field.None,
        _ => Field.None,
    };

    private static string? KnownMethod(ReadOnlySpan<byte> name) => name switch
    {
        _ when name.SequenceEqual("tools/call"u8) => "tools/call",
        _ when name.SequenceEqual("tools/list"u8) => "tools/list",
        _ when name.SequenceEqual("initialize"u8) => "initialize",
        _ when name.SequenceEqual("notifications/initialized"u8) => "notifications/initialized",
        _ when name.SequenceEqual("resources/read"u8) => "resources/read",
        _ when name.SequenceEqual("prompts/get"u8) => "prompts/get",
        _ when name.SequenceEqual("ping"u8) => "ping",
        _ => null,
    };

    private string Decode(ReadOnlySpan<byte> text)
    {
        if (_escapes)
        {
            try
            {
                var reader = new Utf8JsonReader([(byte)'"', .. text, (byte)'"']);
                if (reader.Read()) return reader.GetString() ?? "";
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException)
            {
                // cut inside an escape, or no valid text: shown as written
            }
        }
        return Encoding.UTF8.GetString(text);
    }
}
