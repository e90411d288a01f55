using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Xunit;

namespace McpCan.Tests;

/// <summary>Assertions on answers.</summary>
public static class Expect
{
    /// <summary>The answer is problem details of this status, complete and without a stack trace.</summary>
    public static async Task<JsonElement> ProblemAsync(this Task<HttpResponseMessage> answer, HttpStatusCode status, string? code = null) => await (await answer).ProblemAsync(status, code);

    /// <summary>The answer is problem details of this status, complete and without a stack trace.</summary>
    public static async Task<JsonElement> ProblemAsync(this HttpResponseMessage answer, HttpStatusCode status, string? code = null)
    {
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == status, $"{(int)answer.StatusCode} in place of {(int)status}: {text}");
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        var problem = JsonSerializer.Deserialize<JsonElement>(text);
        Assert.Equal((int)status, problem.GetProperty("status").GetInt32());
        Assert.NotEqual("", problem.GetProperty("detail").GetString());
        Assert.NotEqual("", problem.GetProperty("traceId").GetString());
        Assert.DoesNotContain("   at ", text, StringComparison.Ordinal);
        Assert.DoesNotContain("McpCan.", text, StringComparison.Ordinal);
        if (code is not null) Assert.Equal(code, problem.GetProperty("code").GetString());
        return problem;
    }
}

/// <summary>Waits for what comes soon.</summary>
public static class Eventually
{
    /// <summary>Longest wait of all tests: long, since build machines can be slow.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    public static Task HoldsAsync(Func<bool> condition) => HoldsAsync(() => Task.FromResult(condition()));

    public static async Task HoldsAsync(Func<Task<bool>> condition)
    {
        var start = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(start) < Patience, "It did not become true in time.");
            await Task.Delay(50);
        }
    }
}
