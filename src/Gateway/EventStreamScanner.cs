namespace McpCan.Gateway;

/// <summary>Follows an event stream as it passes: where events end, whether they carry ids, and how the call was answered.</summary>
internal sealed class EventStreamScanner
{
    private enum Line : byte { Start, Data, Other }

    private readonly EnvelopeScanner _message = new();
    private Line _line;
    private int _column;
    private bool _maybeData, _maybeId, _afterReturn, _eventOpen;

    /// <summary>True between two events: what is sent now cannot complete a torn one.</summary>
    public bool BetweenEvents => !_eventOpen && _line == Line.Start && _column == 0;
    public bool HasIds { get; private set; }
    /// <summary>Whether an answer (no request or notification of the server) went by.</summary>
    public bool Answered { get; private set; }
    public int? ErrorCode { get; private set; }
    public bool IsToolError { get; private set; }

    public void Feed(ReadOnlySpan<byte> data)
    {
        while (!data.IsEmpty)
        {
            if (_afterReturn)
            {
                _afterReturn = false;
                if (data[0] == (byte)'\n')
                {
                    data = data[1..];
                    continue;
                }
            }
            if (_line == Line.Start)
            {
                data = Begin(data);
                continue;
            }
            var end = data.IndexOfAny((byte)'\r', (byte)'\n');
            if (_line == Line.Data) _message.Feed(end < 0 ? data : data[..end]);
            if (end < 0) return;
            EndLine(data[end]);
            data = data[(end + 1)..];
        }
    }

    private ReadOnlySpan<byte> Begin(ReadOnlySpan<byte> data)
    {
        var next = data[0];
        if (next is (byte)'\r' or (byte)'\n')
        {
            if (_column == 0) EndEvent();
            EndLine(next);
            return data[1..];
        }
        if (_column == 0) (_maybeData, _maybeId, _eventOpen) = (true, true, true);
        _maybeData = _maybeData && next == "data:"u8[_column];
        _maybeId = _maybeId && _column < 3 && next == "id:"u8[_column];
        _column++;
        if (_maybeId && _column == 3) (HasIds, _line) = (true, Line.Other);
        else if (_maybeData && _column == 5) _line = Line.Data;
        else if (!_maybeData && !_maybeId) _line = Line.Other;
        return data[1..];
    }

    private void EndLine(byte terminator)
    {
        _afterReturn = terminator == (byte)'\r';
        (_line, _column) = (Line.Start, 0);
    }

    private void EndEvent()
    {
        if (_message is { Method: null, IsResponse: true })
        {
            (Answered, ErrorCode, IsToolError) = (true, _message.ErrorCode, _message.IsToolError);
        }
        _message.Reset();
        _eventOpen = false;
    }
}
