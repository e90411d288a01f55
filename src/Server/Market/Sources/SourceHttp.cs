using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using McpCan.Gateway;
using McpCan.Server.Hosting;

namespace McpCan.Server.Market.Sources;

/// <summary>A source that could not be read, said in one sentence.</summary>
public sealed class SourceException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Reads from sources: bounded in size and time, patient with rate limits, and only at addresses that the egress rules allow.</summary>
public sealed class SourceHttp(McpCanOptions options, TimeProvider time) : IDisposable
{
    private const int LargestAnswer = 16 << 20, MostTries = 4, MostRedirects = 5;
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30), LongestPause = TimeSpan.FromSeconds(30);
    private readonly HttpClient _http = EgressHttp.Create(options.Egress, TimeSpan.FromSeconds(10));

    /// <summary>An answer as JSON.</summary>
    /// <exception cref="SourceException">It cannot be had, or is none.</exception>
    public async Task<JsonDocument> JsonAsync(Func<HttpRequestMessage> request, CancellationToken cancellationToken)
    {
        using var answer = new MemoryStream();
        await GetAsync(request, answer, LargestAnswer, Limit, cancellationToken);
        answer.Position = 0;
        try
        {
            return await JsonDocument.ParseAsync(answer, new JsonDocumentOptions { MaxDepth = 64 }, cancellationToken);
        }
        catch (JsonException e)
        {
            throw new SourceException("The source answered something that is no JSON. Check its address.", e);
        }
    }

    /// <summary>Writes an answer to a stream.</summary>
    public async Task GetAsync(Func<HttpRequestMessage> request, Stream to, long largest, TimeSpan limit, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        for (var tries = 1; ; tries++)
        {
            stop.CancelAfter(limit);
            try
            {
                using var response = await SendAsync(request, stop.Token);
                if (response.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable && tries < MostTries)
                {
                    var pause = Pause(response.Headers.RetryAfter, tries);
                    if (pause > LongestPause) throw new SourceException($"The source wants to be asked again in {pause.TotalSeconds:0} s only (rate limit).");
                    await Task.Delay(pause, time, cancellationToken);
                    continue;
                }
                if (!response.IsSuccessStatusCode) throw new SourceException($"The source answered {(int)response.StatusCode} {response.ReasonPhrase}.{(response.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden ? " It wants a valid token." : "")}");
                await CopyAsync(await response.Content.ReadAsStreamAsync(stop.Token), to, largest, stop.Token);
                return;
            }
            catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
            {
                throw new SourceException($"The source did not answer within {limit.TotalSeconds:0} seconds.", e);
            }
            catch (Exception e) when (e is HttpRequestException or IOException)
            {
                throw new SourceException($"The source cannot be reached: {e.GetBaseException().Message.TrimEnd('.')}.", e);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    // Redirects are followed for what is fetched without credentials; each step is judged by the egress rules.
    private async Task<HttpResponseMessage> SendAsync(Func<HttpRequestMessage> make, CancellationToken cancellationToken)
    {
        var request = make();
        for (var n = 0; ; n++)
        {
            HttpResponseMessage response;
            using (request) response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if ((int)response.StatusCode is not (301 or 302 or 303 or 307 or 308) || response.Headers.Location is not { } location || request.Method != HttpMethod.Get) return response;
            response.Dispose();
            var target = new Uri(request.RequestUri!, location);
            if (n == MostRedirects) throw new SourceException("The source sends from one address to the next without an end.");
            if (target.Scheme != Uri.UriSchemeHttps && target.Scheme != request.RequestUri!.Scheme) throw new SourceException("The source sends to an address without encryption.");
            if (request.Headers.Authorization is not null && target.Authority != request.RequestUri!.Authority) throw new SourceException("The source sends to another host or port, which does not get the token. Give that address.");
            var next = new HttpRequestMessage(HttpMethod.Get, target);
            if (request.Headers.Authorization is { } authorization) next.Headers.Authorization = authorization;
            request = next;
        }
    }

    private TimeSpan Pause(RetryConditionHeaderValue? after, int tries) =>
        after?.Delta ?? (after?.Date is { } date ? date - time.GetUtcNow() : TimeSpan.FromSeconds(tries));

    private static async Task CopyAsync(Stream from, Stream to, long largest, CancellationToken cancellationToken)
    {
        var buffer = new byte[81920];
        for (long total = 0; ;)
        {
            var read = await from.ReadAsync(buffer, cancellationToken);
            if (read == 0) return;
            total += read;
            if (total > largest) throw new SourceException($"The source's answer is larger than {largest >> 20} MiB.");
            await to.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
        }
    }
}
