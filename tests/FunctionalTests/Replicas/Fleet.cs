using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using McpCan.Tests;

namespace McpCan.FunctionalTests.Replicas;

/// <summary>What tests of several processes do through the API of one of them.</summary>
internal static class Fleet
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Makes an instance of the counting server and waits until it runs.</summary>
    public static async Task<JsonElement> CreateAsync(this HttpClient api, string processes = "per-session", string script = CountingServer.Script, int sessions = 100)
    {
        var answer = await api.PostAsJsonAsync("api/v1/instances", new
        {
            name = $"r{Guid.NewGuid():N}"[..16],
            source = new { type = "command", command = "python3", args = new[] { "-c", script } },
            processes,
            limits = new { sessions, startSeconds = 60 },
        }, Cancel);
        Assert.True(answer.StatusCode == HttpStatusCode.Accepted, await answer.Content.ReadAsStringAsync(Cancel));
        return await api.BecomesAsync(Id(await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel)), "Running");
    }

    public static async Task<JsonElement> BecomesAsync(this HttpClient api, string id, string state)
    {
        JsonElement now = default;
        try
        {
            await Eventually.HoldsAsync(async () => State(now = await api.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}", Cancel)) == state);
        }
        catch (Xunit.Sdk.XunitException)
        {
            Assert.Fail($"It did not become {state}: {now.GetProperty("status").GetRawText()}");
        }
        return now;
    }

    public static Task<HttpResponseMessage> TurnAsync(this HttpClient api, string id, string verb) => api.PostAsync(new Uri($"api/v1/instances/{id}/{verb}", UriKind.Relative), null, Cancel);

    public static async Task RemoveAsync(this HttpClient api, string id)
    {
        (await api.DeleteAsync(new Uri($"api/v1/instances/{id}", UriKind.Relative), Cancel)).EnsureSuccessStatusCode();
        await Eventually.HoldsAsync(async () => (await api.GetAsync(new Uri($"api/v1/instances/{id}", UriKind.Relative), Cancel)).StatusCode == HttpStatusCode.NotFound);
    }

    public static async Task<(string Id, string Value)> TokenAsync(this HttpClient api, params string[] instances)
    {
        var token = await (await api.PostAsJsonAsync("api/v1/tokens", new { name = "t", instances }, Cancel)).Content.ReadFromJsonAsync<JsonElement>(Cancel);
        return (Id(token), token.GetProperty("value").GetString()!);
    }

    public static string Id(JsonElement thing) => thing.GetProperty("id").GetString()!;

    public static string Slug(JsonElement instance) => instance.GetProperty("slug").GetString()!;

    public static string State(JsonElement instance) => instance.GetProperty("status").GetProperty("state").GetString()!;
}
