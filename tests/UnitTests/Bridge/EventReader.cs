namespace McpCan.UnitTests.Bridge;

/// <summary>Reads server-sent events one by one.</summary>
sealed class EventReader : IDisposable
{
    readonly HttpResponseMessage response;
    readonly StreamReader reader;

    EventReader(HttpResponseMessage response, Stream stream) => (this.response, reader) = (response, new(stream));

    public string? LastId { get; private set; }

    public static async Task<EventReader> OpenAsync(HttpResponseMessage response)
        => new(response, await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));

    /// <summary>The data of the next event (also when it is empty); null at the end of the stream.</summary>
    public async Task<string?> NextAsync()
    {
        string? data = null;
        while (await reader.ReadLineAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(20)) is { } line)
        {
            if (line.StartsWith("id: ", StringComparison.Ordinal)) LastId = line[4..];
            else if (line.StartsWith("data: ", StringComparison.Ordinal)) data = line[6..];
            else if (line.Length == 0 && data is not null) return data;
        }
        return null;
    }

    /// <summary>The next event with data.</summary>
    public async Task<string> NextMessageAsync()
    {
        while (await NextAsync() is { } data)
        {
            if (data.Length > 0) return data;
        }
        throw new EndOfStreamException();
    }

    public void Dispose()
    {
        reader.Dispose();
        response.Dispose();
    }
}
