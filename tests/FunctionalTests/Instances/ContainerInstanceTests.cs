using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using McpCan.FunctionalTests.Runtimes;
using McpCan.Server.Environments;
using McpCan.Server.Hosting;
using McpCan.Server.Runtimes;
using McpCan.Server.Runtimes.Docker;
using McpCan.Tests;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace McpCan.FunctionalTests;

/// <summary>Instances in containers, through the API only.</summary>
public abstract class ContainerInstanceTests(TestApp app, string engine, string open)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Server_RunsInAContainer_IsFoundAgain_Moves_AndIsDeleted()
    {
        Assert.SkipWhen(Engines.Address(engine) is null, $"No {engine} engine: script/engines starts one where root may.");
        var made = await CreateAsync(new { name = "In a container", environment = engine, egress = new { mode = "none" }, source = new { type = "command", command = "python3", args = new[] { "-c", TinyServers.Echo } } });
        var id = made.GetProperty("id").GetString()!;
        var running = await BecomesAsync(id, "Running");
        Assert.Equal("container", running.GetProperty("status").GetProperty("isolation").GetString());
        Assert.Contains("network: none", running.GetProperty("status").GetProperty("limitsInForce").EnumerateArray().Select(l => l.GetString()));
        Assert.Equal("hello", await CallAsync(id, "hello"));

        app.EndWorkloads = false;
        await app.RestartAsync();
        app.EndWorkloads = true;
        Assert.Equal("Running", State(await GetAsync(id)));
        Assert.Equal("survived", await CallAsync(id, "survived"));
        await (await app.Operator.PatchAsJsonAsync($"api/v1/instances/{id}", new { environment = "local" }, Cancel)).ProblemAsync(HttpStatusCode.BadRequest);

        await PatchAsync(id, new { environment = "local", egress = new { mode = "open" } });
        var moved = await BecomesAsync(id, "Running");
        Assert.NotEqual("container", moved.GetProperty("status").GetProperty("isolation").GetString());
        Assert.Equal("in-a-container", moved.GetProperty("slug").GetString());
        Assert.Equal("moved", await CallAsync(id, "moved"));

        await PatchAsync(id, new { environment = engine });
        await BecomesAsync(id, "Running");
        Assert.Equal("back", await CallAsync(id, "back"));
        Assert.Contains("echo server up", await app.Viewer.GetStringAsync($"api/v1/instances/{id}/logs", Cancel), StringComparison.Ordinal);

        await app.Operator.DeleteAsync($"api/v1/instances/{id}", Cancel);
        await Eventually.HoldsAsync(async () => (await app.Admin.GetAsync($"api/v1/instances/{id}", Cancel)).StatusCode == HttpStatusCode.NotFound);
        Assert.Empty(await app.Services.GetRequiredService<EnvironmentMap>().Find(engine)!.ListAsync(Cancel));
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(app.Data, "workloads"), $"*{id}*"));
    }

    [Fact]
    public async Task ServerThatListensByItself_IsReachedThroughTheBridge_AndStartedAgainWhenItEnds()
    {
        Assert.SkipWhen(Engines.Address(engine) is null, $"No {engine} engine: script/engines starts one where root may.");
        var source = new { type = "command", command = "python3", args = new[] { "-c", TinyServers.Http }, http = new { port = 8931, path = "/serve/mcp" } };
        var env = new Dictionary<string, string> { ["PORT"] = "8931" };
        var refused = await app.Operator.PostAsJsonAsync("api/v1/instances", new { name = "Listens here", source, env }, Cancel).ProblemAsync(HttpStatusCode.BadRequest);
        Assert.Contains("container environment", refused.GetProperty("errors").GetProperty("source.http")[0].GetString(), StringComparison.Ordinal);

        var made = await CreateAsync(new { name = "Listens", environment = engine, egress = new { mode = "none" }, source, env });
        var id = made.GetProperty("id").GetString()!;
        var running = await BecomesAsync(id, "Running");
        Assert.Equal("auto", running.GetProperty("source").GetProperty("http").GetProperty("transport").GetString());
        Assert.Equal("listens 3", running.GetProperty("serverInfo").GetString());
        Assert.Equal("hello", await CallAsync(id, "hello"));
        Assert.Contains("listening", await app.Viewer.GetStringAsync($"api/v1/instances/{id}/logs", Cancel), StringComparison.Ordinal);

        await app.Operator.PostAsJsonAsync($"api/v1/instances/{id}/tools/echo/call", new { arguments = new { text = "exit" } }, Cancel);
        await Eventually.HoldsAsync(async () => await TryCallAsync(id, "again") == "again");

        await PatchAsync(id, new { env = new Dictionary<string, string> { ["PORT"] = "8932" }, source = new { http = new { port = 8932, path = "/serve/mcp", transport = "streamable-http" } } });
        await BecomesAsync(id, "Running");
        Assert.Equal("moved", await CallAsync(id, "moved"));
        await app.Operator.DeleteAsync($"api/v1/instances/{id}", Cancel);
        await Eventually.HoldsAsync(async () => (await app.Admin.GetAsync($"api/v1/instances/{id}", Cancel)).StatusCode == HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Server_InAContainer_HasAVolume_WhoseDataDoesNotFollowAMove()
    {
        Assert.SkipWhen(Engines.Address(engine) is null, $"No {engine} engine: script/engines starts one where root may.");
        var name = $"notes-{Guid.NewGuid():N}"[..16];
        var answer = await app.Operator.PostAsJsonAsync($"api/v1/environments/{engine}/volumes", new { name }, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        var source = new { type = "command", command = "python3", args = new[] { "-c", "open('/data/x','a').write('x')\n" + TinyServers.Echo }, volumes = new[] { new { kind = "named", source = name, target = "/data" } } };
        var made = await CreateAsync(new { name = "With a volume", environment = engine, source });
        var id = made.GetProperty("id").GetString()!;
        await BecomesAsync(id, "Running");
        Assert.Equal("kept", await CallAsync(id, "kept"));

        var refused = await app.Operator.PatchAsJsonAsync($"api/v1/instances/{id}", new { environment = "local" }, Cancel).ProblemAsync(HttpStatusCode.BadRequest);
        Assert.Contains("does not follow", refused.GetProperty("errors").GetProperty("source.volumes[0].source")[0].GetString(), StringComparison.Ordinal);
        await app.Operator.DeleteAsync($"api/v1/environments/{engine}/volumes/{name}", Cancel).ProblemAsync(HttpStatusCode.Conflict, "volume-in-use");
        await app.Operator.PostAsJsonAsync("api/v1/environments/local/volumes", new { name }, Cancel);
        await PatchAsync(id, new { environment = "local" });
        await BecomesAsync(id, "Running");

        Assert.Equal(HttpStatusCode.NoContent, (await app.Operator.DeleteAsync($"api/v1/environments/{engine}/volumes/{name}", Cancel)).StatusCode);
        await app.Operator.DeleteAsync($"api/v1/instances/{id}", Cancel);
        await Eventually.HoldsAsync(async () => (await app.Admin.GetAsync($"api/v1/instances/{id}", Cancel)).StatusCode == HttpStatusCode.NotFound);
        Assert.Equal(HttpStatusCode.NoContent, (await app.Operator.DeleteAsync($"api/v1/environments/local/volumes/{name}", Cancel)).StatusCode);
    }

    [Fact]
    public async Task CodeInAMountedFolder_ThatChanges_StartsANewContainer()
    {
        Assert.SkipWhen(Engines.Address(engine) is null, $"No {engine} engine: script/engines starts one where root may.");
        Task WriteAsync(string text) => File.WriteAllTextAsync(Path.Combine(open, "server.py"), TinyServers.Echo.Replace("echo server up", text, StringComparison.Ordinal), Cancel);
        await WriteAsync("before the change");
        var volumes = new[] { new { kind = "host", source = open, target = "/code", readOnly = true, restartOnChange = true } };
        var made = await CreateAsync(new { name = "Mounted", environment = engine, source = new { type = "command", command = "python3", args = new[] { "server.py" }, workingDirectory = "/code", volumes } });
        var id = made.GetProperty("id").GetString()!;
        await BecomesAsync(id, "Running");
        Assert.Equal("hello", await CallAsync(id, "hello"));

        await WriteAsync("after the change");
        await Eventually.HoldsAsync(async () => (await app.Viewer.GetStringAsync($"api/v1/instances/{id}/logs?run=current", Cancel)).Contains("after the change", StringComparison.Ordinal));
        await Eventually.HoldsAsync(async () => await TryCallAsync(id, "changed") == "changed");
        await app.Operator.DeleteAsync($"api/v1/instances/{id}", Cancel);
        await Eventually.HoldsAsync(async () => (await app.Admin.GetAsync($"api/v1/instances/{id}", Cancel)).StatusCode == HttpStatusCode.NotFound);
    }

    [Theory]
    [InlineData(0, "/mcp", "auto", "source.http.port")]
    [InlineData(80, "mcp", "auto", "source.http.path")]
    [InlineData(80, "/a b", "auto", "source.http.path")]
    [InlineData(80, "/mcp", "websocket", "source.http.transport")]
    public async Task ServerThatListensByItself_IsChecked(int port, string path, string transport, string field)
    {
        var problem = await app.Operator.PostAsJsonAsync("api/v1/instances", new { name = "x", source = new { type = "command", command = "true", http = new { port, path, transport } } }, Cancel).ProblemAsync(HttpStatusCode.BadRequest);

        Assert.True(problem.GetProperty("errors").TryGetProperty(field, out _), problem.GetRawText());
    }

    [Fact]
    public async Task Environment_ThatIsNotThere_IsRefused_WithTheList()
    {
        var problem = await app.Operator.PostAsJsonAsync("api/v1/instances", new { name = "x", environment = "nowhere", source = new { type = "command", command = "true" } }, Cancel).ProblemAsync(HttpStatusCode.BadRequest);

        Assert.Contains("local", problem.GetProperty("errors").GetProperty("environment")[0].GetString(), StringComparison.Ordinal);
        foreach (var (egress, field) in new (object, string)[]
        {
            (new { mode = "allow-list" }, "egress.allow"),
            (new { mode = "open", allow = new[] { "a.example" } }, "egress.allow"),
            (new { mode = "allow-list", allow = new[] { "a.example", "*.example.com" } }, "egress.allow[1]"),
            (new { allow = new[] { "a.example" } }, "egress"), // not among the processes of this machine
        })
        {
            var refused = await app.Operator.PostAsJsonAsync("api/v1/instances", new { name = "x", egress, source = new { type = "command", command = "true" } }, Cancel).ProblemAsync(HttpStatusCode.BadRequest);
            Assert.True(refused.GetProperty("errors").TryGetProperty(field, out _), refused.ToString());
        }
        await app.Operator.PostAsJsonAsync("api/v1/instances", new { name = "x", egress = new { mode = "sideways" }, source = new { type = "command", command = "true" } }, Cancel).ProblemAsync(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Image_IsChecked_AndItsCredentialsAreNeverShown()
    {
        async Task<JsonElement> RefusedAsync(object input) => (await app.Operator.PostAsJsonAsync("api/v1/instances", input, Cancel).ProblemAsync(HttpStatusCode.BadRequest)).GetProperty("errors");
        Assert.True((await RefusedAsync(new { name = "x", source = new { type = "image", image = "example/server:1" } })).TryGetProperty("environment", out _));
        Assert.True((await RefusedAsync(new { name = "x", source = new { type = "image", image = "--privileged" } })).TryGetProperty("source.image", out _));
        Assert.SkipWhen(Engines.Address(engine) is null, $"No {engine} engine: script/engines starts one where root may.");

        var made = await CreateAsync(new { name = "Image", environment = engine, start = false, source = new { type = "image", image = "registry.example:5000/team/server:1.2", pull = "always", args = new[] { "--stdio" } }, registry = new { userName = "robot", password = "pass-word" } });
        var id = made.GetProperty("id").GetString()!;
        await app.Operator.PatchAsJsonAsync($"api/v1/instances/{id}", new { registry = new { userName = "other" }, source = new { pull = "missing" } }, Cancel);
        var now = await GetAsync(id);

        Assert.Equal("other", now.GetProperty("registry").GetProperty("userName").GetString());
        Assert.Equal(("missing", "--stdio"), (now.GetProperty("source").GetProperty("pull").GetString(), now.GetProperty("source").GetProperty("args")[0].GetString()));
        Assert.DoesNotContain("pass-word", made.GetRawText() + now.GetRawText(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, (await app.Viewer.PatchAsJsonAsync($"api/v1/instances/{id}", new { environment = "local" }, Cancel)).StatusCode);
        await app.Operator.DeleteAsync($"api/v1/instances/{id}", Cancel);
    }

    private async Task<JsonElement> CreateAsync(object input)
    {
        var answer = await app.Operator.PostAsJsonAsync("api/v1/instances", input, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        return await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
    }

    private async Task PatchAsync(string id, object patch)
    {
        var answer = await app.Operator.PatchAsJsonAsync($"api/v1/instances/{id}", patch, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        Assert.Equal("Starting", State(await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel)));
    }

    private async Task<string?> CallAsync(string id, string text)
    {
        var answer = await app.Operator.PostAsJsonAsync($"api/v1/instances/{id}/tools/echo/call", new { arguments = new { text } }, Cancel);
        var said = await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
        Assert.True(answer.IsSuccessStatusCode, said.GetRawText());
        return said.GetProperty("result").GetProperty("content")[0].GetProperty("text").GetString();
    }

    private async Task<string?> TryCallAsync(string id, string text)
    {
        var answer = await app.Operator.PostAsJsonAsync($"api/v1/instances/{id}/tools/echo/call", new { arguments = new { text } }, Cancel);
        var said = await answer.Content.ReadFromJsonAsync<JsonElement>(Cancel);
        return said.TryGetProperty("result", out var result) ? result.GetProperty("content")[0].GetProperty("text").GetString() : null;
    }

    private async Task<JsonElement> BecomesAsync(string id, string state)
    {
        JsonElement now = default;
        await Eventually.HoldsAsync(async () => State(now = await GetAsync(id)) == state || (State(now) == "Failed" && state == "Running"));
        Assert.True(State(now) == state, now.GetProperty("status").GetRawText());
        return now;
    }

    private Task<JsonElement> GetAsync(string id) => app.Viewer.GetFromJsonAsync<JsonElement>($"api/v1/instances/{id}", Cancel);

    private static string State(JsonElement instance) => instance.GetProperty("status").GetProperty("state").GetString()!;
}

/// <summary>Docker, on SQLite.</summary>
public sealed class DockerInstanceTests(DockerInstanceTests.App app) : ContainerInstanceTests(app, "docker", app.Open), IClassFixture<DockerInstanceTests.App>
{
    /// <summary>The platform with the engine as an environment.</summary>
    public sealed class App : SqliteApp, IDisposable
    {
        /// <summary>A folder of the administrator's, open for volumes.</summary>
        public string Open { get; } = Engines.Folder();

        /// <summary>Opens it.</summary>
        public App() => Settings[nameof(McpCanOptions.VolumeRoots)] = Open;

        /// <inheritdoc/>
        public void Dispose() => Directory.Delete(Open, recursive: true);

        /// <inheritdoc/>
        protected override void Configure(WebApplicationBuilder builder) => Engines.Add(this, builder, "docker");
    }
}

/// <summary>Podman, on PostgreSQL.</summary>
public sealed class PodmanInstanceTests(PodmanInstanceTests.App app) : ContainerInstanceTests(app, "podman", app.Open), IClassFixture<PodmanInstanceTests.App>
{
    /// <summary>The platform with the engine as an environment.</summary>
    public sealed class App : PostgresApp, IDisposable
    {
        /// <summary>A folder of the administrator's, open for volumes.</summary>
        public string Open { get; } = Engines.Folder();

        /// <summary>Opens it.</summary>
        public App() => Settings[nameof(McpCanOptions.VolumeRoots)] = Open;

        /// <inheritdoc/>
        public void Dispose() => Directory.Delete(Open, recursive: true);

        /// <inheritdoc/>
        protected override void Configure(WebApplicationBuilder builder) => Engines.Add(this, builder, "podman");
    }
}

internal static class Engines
{
    public static EngineAddress? Address(string engine) => Environment.GetEnvironmentVariable($"TEST_{engine.ToUpperInvariant()}_HOST") is { Length: > 0 } host ? new(new Uri(host)) : null;

    /// <summary>A new folder that all users may read.</summary>
    public static string Folder()
    {
        var folder = Path.Combine(Path.GetTempPath(), $"mcpcan-open-{Guid.NewGuid():N}"); // CreateTempSubdirectory would close it to others
        return Directory.CreateDirectory(folder).FullName;
    }

    /// <summary>Registers the engine before the platform looks for its workloads.</summary>
    public static void Add(TestApp app, WebApplicationBuilder builder, string engine)
    {
        if (Address(engine) is not { } address) return;
        builder.Services.Replace(ServiceDescriptor.Singleton(services =>
        {
            var map = new EnvironmentMap(services.GetServices<IRuntime>());
            map.Set(engine, services.GetRequiredService<DockerRuntimeFactory>().Create(address, engine));
            return map;
        }));
    }
}
