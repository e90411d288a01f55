using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Sessions;

namespace McpCan.Protocol.Modern;

/// <summary>Asks a server what era it is of. The server that is asked must serve nobody: it may lock itself to the era of the question.</summary>
public static class EraProbe
{
    /// <summary>
    /// Whether the server answers as one of the modern era. Throws <see cref="TimeoutException"/> when it is silent and
    /// <see cref="ServerUnavailableException"/> when it ended.
    /// </summary>
    public static async Task<bool> IsModernAsync(ServerLink link, TimeSpan limit, CancellationToken cancellationToken)
    {
        using var timer = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timer.CancelAfter(limit);
        byte[] answer;
        try
        {
            answer = await AwaitedCall.AskAsync(link, ModernMessage.Discover(), timer.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException();
        }
        if (ModernExchange.ErrorCode(answer) is >= McpErrors.UnsupportedVersion and <= McpErrors.HeaderMismatch) return true;
        return JsonEdit.Member(JsonEdit.Member(answer, "result"u8), "supportedVersions"u8) is [(byte)'[', ..];
    }
}
