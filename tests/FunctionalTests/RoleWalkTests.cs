using System.Net;
using McpCan.Server.Access;
using McpCan.Tests;

namespace McpCan.FunctionalTests;

/// <summary>Walks the OpenAPI document as each role and as nobody.</summary>
public abstract class RoleWalkTests<TApp>(TApp app) : IClassFixture<TApp> where TApp : TestApp
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task EveryOperation_IsOpenOnlyToTheRolesOfItsPolicy()
    {
        var cookies = new Dictionary<string, HttpClient>();
        foreach (var role in Roles.All) cookies[role] = await app.SignedInAsync(role);
        var wrong = new List<string>();
        foreach (var operation in await ApiOperation.AllAsync(app, Cancel))
        {
            Assert.Contains(operation.Policy, new[] { "anonymous", Policies.Read, Policies.Operate, Policies.Administer, Policies.Terminal });
            await TryAsync(operation, app.Nobody, "nobody", operation.Policy == "anonymous", HttpStatusCode.Unauthorized, wrong);
            foreach (var role in Roles.All)
            {
                var may = operation.Policy == "anonymous" || Principal.Rights(role).Contains(operation.Policy);
                var key = role switch { Roles.Admin => app.Admin, Roles.Operator => app.Operator, _ => app.Viewer };
                await TryAsync(operation, key, $"{role} by key", may, HttpStatusCode.Forbidden, wrong);
                await TryAsync(operation, cookies[role], $"{role} by cookie", may, HttpStatusCode.Forbidden, wrong);
            }
        }
        Assert.Empty(wrong);
        Assert.Empty(app.Log.Errors);
    }

    [Fact]
    public async Task OnlyTheseOperations_NeedNobody()
    {
        var open = (await ApiOperation.AllAsync(app, Cancel)).Where(o => o.Policy == "anonymous").Select(o => o.ToString());

        Assert.Equal(["GET /api/v1/setup", "POST /api/v1/setup"], open.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task WritesOfViewers_AreNever_Open()
    {
        var open = (await ApiOperation.AllAsync(app, Cancel)).Where(o => o.Method != "GET" && o.Policy == Policies.Read).Select(o => o.ToString());

        Assert.Equal(["POST /api/v1/me/password"], open);
    }

    private static async Task TryAsync(ApiOperation operation, HttpClient client, string who, bool may, HttpStatusCode refusal, List<string> wrong)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        timeout.CancelAfter(Eventually.Patience);
        using var request = operation.Request();
        using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, timeout.Token);
        var status = answer.StatusCode;
        var refused = status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden;
        // The set-up's own refusal (wrong code) and that of a key without password are not those of a policy.
        if (may && refused && await IsRefusalOfPolicyAsync(answer)) wrong.Add($"{operation} as {who}: {(int)status}, though its policy is {operation.Policy}");
        if (!may && status != refusal) wrong.Add($"{operation} as {who}: {(int)status} in place of {(int)refusal} (policy {operation.Policy})");
        if ((int)status >= 500) wrong.Add($"{operation} as {who}: {(int)status}");
    }

    private static async Task<bool> IsRefusalOfPolicyAsync(HttpResponseMessage answer) =>
        (await answer.Content.ReadAsStringAsync(Cancel)).Contains("Your role does not allow this", StringComparison.Ordinal) || answer.StatusCode == HttpStatusCode.Unauthorized;
}

public sealed class RoleWalkTestsOnSqlite(SqliteApp app) : RoleWalkTests<SqliteApp>(app);

public sealed class RoleWalkTestsOnPostgres(PostgresApp app) : RoleWalkTests<PostgresApp>(app);
