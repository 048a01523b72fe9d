"""Chinese templates of generated text."""

from __future__ import annotations

from contextrot.samples.filler.wording import Wording, listed, numbers

_GIVEN = listed(
    "安平,伯钧,长河,成林,传志,德昌,定国,凤鸣,福生,广才,国梁,海山,和顺,鸿飞,怀远,建业,景春,敬之,开泰,立本,良玉,茂林,明德,念祖,培根,启文,清源,荣光,瑞芝,"
    "润生,少卿,世昌,守仁,书田,思齐,天佑,廷章,惟善,文炳,希圣,秀兰,玉珍,桂英,淑芬,雪琴,月娥,春梅,慧敏,静宜,兰芳,美云,巧珍,素心,婉如,向荣,兴邦,延年,义方,永康,正清"
)
_SURNAMES = listed(
    "丁,于,马,王,方,邓,石,卢,叶,田,史,白,冯,吕,朱,任,许,孙,严,苏,杜,李,杨,肖,吴,何,余,汪,沈,宋,张,陆,陈,范,林,罗,周,郑,孟,赵,胡,姚,袁,夏,顾,钱,徐,高,郭,唐,陶,黄,曹,龚,崔,梁,彭,董,蒋,韩,程,傅,曾,谢,蔡,谭,熊,潘,薛,魏"
)
_PLACES = tuple(
    first + last
    for first in listed("青石,白沙,柳溪,黄泥,双桥,大河,南坪,北塘,松林,梅岭,竹园,平湖,龙潭,清水,望山,石门,枫树,云台,沙洲,古渡")
    for last in listed("镇,村,乡,集,堡,湾,铺,坝,岭,寨")
)
_THINGS = listed(
    "车轴,木桶,竹筐,横梁,长凳,锅炉,铁链,烟囱,水槽,板车,门板,水沟,篱笆,闸门,栏杆,梯子,灯笼,水车,石磨,滑轮,水泵,马鞍,磅秤,货架,窗框,炉灶,绞盘,铡刀,风箱,扁担"
)
_QUALITIES = listed(
    "开裂的,歪斜的,受潮的,生锈的,漏水的,松动的,磨损的,沉重的,褪色的,变形的,粗糙的,烧焦的,补过的,沾满泥的,断了一半的"
)
_WORDS = {
    "place": _PLACES,
    "any_place": _PLACES,
    "any_year": tuple(f"{year}年" for year in range(1901, 1990)),
    "any_day": tuple(f"{month}月{day}日" for month in range(1, 13) for day in range(1, 29)),
    "any_count": numbers(21, 890),
    "any_few": listed("三,四,五,六,八,九,十,十一,十二,十三,十四,十五,十六"),
    "season": listed("早春,暮春,盛夏,初秋,深秋,初冬,隆冬,收麦的时节,插秧的时节,雨季里"),
    "any_hour": listed("天还没亮,天刚亮,早饭以后,上午,正午,午后,傍晚,掌灯时分,夜深以后,趁着街上还没有人"),
    "any_mood": listed("平静地,耐心地,固执地,客气地,高兴地,小心地,勉强地,认真地,爽快地,犹豫地,郑重地,淡淡地"),
    "quality": _QUALITIES,
    "any_quality": _QUALITIES,
    "thing": _THINGS,
    "any_thing": _THINGS,
    "trade": listed("木匠,石匠,铁匠,瓦匠,染匠,篾匠,裁缝,磨坊主,船工,车夫,窑工,皮匠,漆匠,账房先生,测量员"),
    "goods": listed(
        "大麦,黄豆,棉花,棉布,石灰,木炭,陶土,麻绳,桐油,生漆,烟叶,茶籽,纸张,瓷碗,砖瓦,羊毛,牛皮,蜂蜡,豆饼,铁钉,粗盐,红糖"
    ),
    "measure": listed("车,袋,担,捆,箱,筐,船"),
    "building": listed("磨坊,粮仓,染坊,砖窑,油坊,学堂,祠堂,供销社,锯木厂,铁匠铺,货栈,水电站,榨糖坊,纸坊"),
    "any_part": listed("北墙,东边的山墙,地窖,阁楼,院子,楼梯,后屋,屋顶,走廊,门廊,账房,晒场"),
    "any_material": listed("杉木,松木,榆木,熟铁,生铁,黄铜,青石,石灰浆,青砖,麻绳,铜皮,河泥,毛竹"),
    "any_cause": listed(
        "霜来得太早,河水一夜之间涨了,老地基往下沉了,没有人给轴承上油,运货的人在路上耽搁了,合同写得不清楚,雨水把地泡软了,两次量出来的尺寸对不上,"
        "干透的木料用完了,工头病了一个星期,煤价涨了一倍,大风掀走了瓦片,牲口都被借去收割了,账目记在两个本子上,图纸是照另一块地画的,山路塌了一段,"
        "伙计把单子看错了,泉眼干了,仓里进了老鼠,井水变咸了,学徒都回家收麦子去了,新的规定没有人讲解过"
    ),
    "any_result": listed(
        "活儿赶在下雨前做完了,再也没有人抱怨花钱,村里又买了一套,老办法慢慢没有人用了,争吵到下一个集市就忘了,产量多了三成,车夫们改走了新路,"
        "铺子整个冬天都开着门,又添了两个帮手,欠款分几次还清了,房子不再歪了,孩子们不再去那里玩,邻县的人也来参观,会开得比从前少了,"
        "检修成了每年的惯例,整条街都睡得安稳了"
    ),
    "any_saying": listed(
        "量两遍再下锯,便宜的绳子要买两回,急火烤不干湿柴,地不会骗人,没数过的东西最容易丢,好木料不怕坏天气,仓里有粮心里不慌,先修最让人担心的那个角,"
        "水总会找到低处,钝锯子磨人,借来的家什用着不顺手,走得慢的车也能到"
    ),
    "crop": listed("大麦,小麦,荞麦,谷子,高粱,黄豆,绿豆,芝麻,油菜,棉花,红薯,萝卜,苎麻"),
    "any_weather": listed("干冷的东风,连日的小雨,一场晚霜,一场雷雨,大雾,闷热的天气,湿雪,冰雹,一阵大风,低低的云层"),
    "topic": listed(
        "桥面的宽度,水井的维护,公地的放牧,街上的照明,粮食的价钱,集市后面的水沟,新的秤,摊位的租金,学堂的上课时间,铺路的石料"
    ),
    "any_feeling": listed("宽慰,不快,惊讶,得意,怀疑,好笑,着急,惋惜,好奇,满意"),
    "animal": listed("骡子,母马,黄牛,毛驴,小马,水牛"),
    "craft": listed("刨板子,搓绳子,排字,淬火,开榫头,和石灰,分羊毛,看水平尺,箍桶,铸秤砣,錾石磨,缝鞍子,烧窑,撒种"),
}
_SCENES = (
    (
        (
            "{season},{any_place}来的{trade}{name}接到请求,去修{building}里那个{quality}{thing}。",
            "{name}是{place}的{trade},{any_day}{any_hour}被叫到{building},看一个{quality}{thing}。",
        ),
        (
            "毛病的起因是{any_cause},{any_part}敞开了{any_few}天。",
            "{name}先查看了{any_part},发现{any_cause}。",
            "有人说是因为{any_cause},{name}却认为那个{thing}早在{past_year}就已经不好用了。",
        ),
        (
            "材料选的是{any_material},花了{any_count}元,是从{any_place}运来的。",
            "{any_few}个人把那个{quality}{thing}抬到院子里,{name}{any_mood}把它拆开。",
        ),
        (
            "做到一半,才知道{any_cause},{thing}只好重装一遍,多用了{any_count}颗铆钉。",
            "头一次没有成功,因为{any_cause},{name}{any_mood}换了{any_material}重新做起。",
        ),
        (
            "{any_few}天以后{building}又开工了,{any_result}。",
            "{any_day}{any_name}来验收,{thing}不再晃动,{any_result}。",
        ),
        (
            "{name}常说“{any_saying}”,{any_count}元的工钱当天就付清了。",
            "{name}记下了花费,一共{any_count}元,心里有几分{any_feeling}。",
        ),
    ),
    (
        (
            "{place}和{any_place}之间的{goods}生意本来不大,{any_year}{name}一次买进了{any_count}{measure}。",
            "{name}做{goods}买卖以前是{trade},{any_year}才在{place}开了铺子。",
        ),
        (
            "每个星期有{any_few}辆大车{any_hour}出发,路干的时候能拉回{any_count}{measure}。",
            "货从{any_place}绕道过来,每次{any_count}{measure},在{building}的{any_part}过秤。",
        ),
        (
            "{any_day}价钱涨了{any_few}分,因为{any_cause}。",
            "后来{any_place}的货断了{any_few}个星期,原因是{any_cause}。",
        ),
        (
            "{name}{any_mood}写信给{any_place}的{any_name},请求赊{any_count}{measure}。",
            "{name}没有等下去,雇了{any_name}去{any_place}运{any_count}{measure}{goods}。",
        ),
        (
            "{any_few}天后有了回音,要价{any_count}元,让人{any_feeling}。",
            "{any_name}{any_mood}答应了,条件是{any_day}以前付{any_count}元。",
        ),
        (
            "到年底一共卖出{any_count}{measure},{any_result}。",
            "利润不多,只有{any_count}元,不过{any_result}。",
        ),
    ),
    (
        (
            "{place}下面的地从{past_year}起种{crop},大半是{name}一家种的。",
            "{name}在{any_place}附近租了{any_count}亩地,{season}种上了{crop}。",
        ),
        (
            "那里的土很黏,犁了{any_few}天,还弄坏了一个{any_quality}{any_thing}。",
            "种子是{any_day}在{any_place}买的,一共{any_count}斤,{any_hour}播了下去。",
        ),
        (
            "{any_day}来了{any_weather},{name}担心那{any_few}块地保不住。",
            "接着从{any_place}那边来了{any_weather},一连{any_few}天。",
        ),
        (
            "大约损失了{any_count}垄,一半是因为{any_cause}。",
            "靠近{any_place}的{any_few}块最糟,偏偏{any_cause}。",
        ),
        (
            "{any_name}带了{any_few}个人来帮忙,{any_hour}抢出了{any_count}捆。",
            "剩下的{any_day}收割,{any_few}个人{any_mood}干到天黑。",
        ),
        (
            "那一年收了{any_count}袋,{any_result}。",
            "{name}在{any_place}卖掉{any_count}斤{crop},回来时说{any_result}。",
        ),
    ),
    (
        (
            "{any_day},{place}的人在{building}开会商量{topic},由{name}主持。",
            "从{past_year}起{place}就为{topic}争论不休,{season}{name}把大家请到了{building}。",
        ),
        (
            "{any_few}个人{any_mood}发了言,{any_name}念了一张写着{any_count}条意见的单子。",
            "管账的{any_name}说明,{any_year}已经花掉了{any_count}元。",
        ),
        (
            "{name}回答说{any_cause},{any_few}个人听了有些{any_feeling}。",
            "{any_name}却认为那{any_count}元不如用来修{any_part}。",
        ),
        (
            "{any_hour}表决,{any_count}人赞成{any_name}的办法,{any_few}人反对。",
            "两边都不肯让步,{any_name}提议等到{any_day},再请{any_place}的测量员来看。",
        ),
        (
            "不到{any_few}个月,结果就清楚了,{any_result},只多花了{any_count}元。",
            "第二年{any_day}办法落实了,花费{any_count}元,{any_result}。",
        ),
        (
            "{name}在{any_day}的记录里写道,{any_name}没有到场,令人{any_feeling}。",
            "{any_place}来的一位老人{any_hour}回家前只说了一句:“{any_saying}”。",
        ),
    ),
    (
        (
            "{any_day}{name}带着{any_few}个包裹和一匹{animal},从{place}动身去{any_place}。",
            "从{any_place}到{place}有{any_count}里路,{name}{season}牵着{animal}走过一趟。",
        ),
        (
            "{any_hour}出门,头{any_few}里路上遇到了{any_weather}。",
            "到{any_place}为止路还好走,后来{any_weather}持续了{any_few}个钟头。",
        ),
        (
            "走到{any_place}的桥头,{animal}不肯往前,原来{any_cause}。",
            "过了{any_place},一个{any_quality}{any_thing}横在路上,后面堵了{any_few}辆车。",
        ),
        (
            "住在附近的{any_name}{any_hour}扛来{any_few}块{any_material},{any_mood}帮忙。",
            "{name}卸下{any_count}斤{goods},绕过{any_place},再重新装好。",
        ),
        (
            "{any_day}在{any_place}歇了一夜,花了{any_few}角钱,听说{any_cause}。",
            "下一段路一直走到{any_day},鞋底磨穿了{any_few}处。",
        ),
        (
            "{any_day}{any_hour}到了地方,{any_name}十分{any_feeling},{any_result}。",
            "{name}把{any_few}个包裹交给{any_name},得了{any_count}元,{any_result}。",
        ),
    ),
    (
        (
            "{name}跟{any_place}的{any_name}学{craft},师傅从{past_year}起就是{trade}。",
            "{any_year}{season},{name}到{place}当学徒,学的是{craft}。",
        ),
        (
            "头{any_few}个星期只许打扫{any_part},搬运{any_material}。",
            "课从{any_hour}开始,用的是{any_name}故意弄坏的一个{any_quality}{thing}。",
        ),
        (
            "起初做的{any_count}件都{any_mood}扔掉了,因为{any_cause}。",
            "师傅一天要{any_mood}讲{any_few}遍:“{any_saying}”。",
        ),
        (
            "{any_day}{name}弄坏了一块值{any_count}元的{any_material},以为会被送回{any_place}。",
            "到了{any_day},{any_few}分钟就能做完,只是{thing}还不够平整。",
        ),
        (
            "还是{any_name}{any_mood}看出握法不对,练了{any_few}天就改过来了。",
            "师傅没有责怪,{any_name}倒有些{any_feeling},只听见一句:“{any_saying}”。",
        ),
        (
            "{name}一共待了{any_few}年,最后一年挣了{any_count}元,{any_result}。",
            "那年的{any_few}个学徒里,只有{name}和{any_name}学成,{any_result}。",
        ),
    ),
    (
        (
            "{any_year}{name}在{place}的{building}整理旧纸,一共{any_count}箱,堆在{any_part}。",
            "{name}每月拿{any_count}元,抄写{place}的旧契约,都存放在{building}。",
        ),
        (
            "最早的一张写着{past_year}{any_day},是{any_count}{measure}{goods}的收条。",
            "里面有{any_name}{any_day}从{any_place}寄来的信,谈的是{any_count}{measure}{goods}。",
        ),
        (
            "写信的人{any_mood}抱怨{any_cause},请求再宽限{any_few}个星期。",
            "有{any_few}行认不出来,因为架子上的{any_thing}从{past_year}起就漏水。",
        ),
        (
            "{name}拿它和{any_place}的{any_few}份文书对照,{any_mood}断定{any_cause}。",
            "旁边有{any_name}的笔迹,说{any_result},还记着{any_count}元。",
        ),
        (
            "整份目录花了{any_few}个月,写了{any_count}页,在{any_place}装订。",
            "{any_day}{any_hour}完工,{any_count}页抄本交给了{any_name}。",
        ),
        (
            "从那以后,靠这份目录了结了{any_few}桩官司,最近一桩在{any_year},{any_result}。",
            "{any_year}{any_name}问起这有什么用,{name}只说:“{any_saying}”。",
        ),
    ),
)


def _full_width(text: str) -> str:
    return text.replace(",", "，").replace(":", "：")


CHINESE = Wording(
    titles=("{place}旧事，{any_year}", "{any_year}的{place}，第{any_count}篇", "{place}与{any_place}，{any_year}{any_day}"),
    scenes=tuple(tuple(tuple(_full_width(text) for text in step) for step in scene) for scene in _SCENES),
    words=_WORDS,
    of_document=("place",),
    first_names=tuple((name, {}) for name in _GIVEN),
    last_names=_SURNAMES,
    full_name="{last}{first}",
    between="",
)
